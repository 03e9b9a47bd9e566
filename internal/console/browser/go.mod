module fraudcheck/internal/console/browser

go 1.26.0

require (
	fraudcheck v0.0.0-00010101000000-000000000000
	github.com/chromedp/cdproto v0.159.0
	github.com/chromedp/chromedp v0.23.0
	github.com/stretchr/testify v1.12.1
)

require (
	github.com/go-json-experiment/json v0.0.0-20260213210345-44df1a37e875 // indirect
	go.yaml.in/yaml/v3 v3.0.6 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace fraudcheck => ../../..

// As the service's own go.mod has it: see there.
replace github.com/molecule-man/go-brrr => github.com/molecule-man/go-brrr v1.0.1
