package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/CycloneDX/cyclonedx-gomod/pkg/generate/bin"
	"github.com/CycloneDX/cyclonedx-gomod/pkg/licensedetect/local"
	"github.com/rs/zerolog"
)

// A part is a module that the program is built from, or Go's library.
type part struct {
	name    string // as the bill calls it
	dir     string
	licence string              // its SPDX identifier
	texts   map[string]struct{} // paths of its licences
}

var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|copyright|notice|patents)([.-].*)?$`)

// modules returns what the program of this platform is built from, the program itself
// first, the others in the order of their names. A part without a licence is an error.
func (r *release) modules() ([]*part, error) {
	goroot, err := output(r.source, "go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	list, err := output(r.source, "go", "list", "-deps", "-f",
		"{{with .Module}}{{if not .Main}}{{with or .Replace .}}{{.Path}}@{{.Version}}{{end}}\t{{.Dir}}\t{{$.Dir}}{{end}}{{end}}", "./cmd/fraudcheck")
	if err != nil {
		return nil, err
	}
	own, standard := &part{name: "fraudcheck", dir: r.source}, &part{name: "std", dir: goroot}
	byName := map[string]*part{}
	for line := range strings.Lines(list) {
		columns := strings.Split(strings.TrimRight(line, "\n"), "\t")
		if len(columns) != 3 { // Go's library, or this module
			continue
		}
		p := byName[columns[0]]
		if p == nil {
			p = &part{name: columns[0], dir: columns[1]}
			byName[p.name] = p
		}
		// A package may have a licence of its own, within that of its module.
		for dir := columns[2]; len(dir) > len(p.dir); dir = filepath.Dir(dir) {
			if err := p.find(dir); err != nil {
				return nil, err
			}
		}
	}
	parts := []*part{own, standard}
	for _, p := range byName {
		parts = append(parts, p)
	}
	slices.SortFunc(parts[2:], func(a, b *part) int { return strings.Compare(a.name, b.name) })
	for _, p := range parts {
		if err := p.find(p.dir); err != nil {
			return nil, err
		}
		if err := p.detect(); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

// find adds the licences in the folder.
func (p *part) find(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if p.texts == nil {
		p.texts = map[string]struct{}{}
	}
	for _, e := range entries {
		if e.Type().IsRegular() && licenceFile.MatchString(e.Name()) && filepath.Ext(e.Name()) != ".go" {
			p.texts[filepath.Join(dir, e.Name())] = struct{}{}
		}
	}
	return nil
}

var detected = map[string]string{} // by name of the part: platforms share most

func (p *part) detect() error {
	if p.licence = detected[p.name]; p.licence != "" {
		return nil
	}
	found, err := local.NewDetector(zerolog.Nop()).Detect(p.name, "", p.dir)
	if err != nil {
		return fmt.Errorf("licence of %s: %w", p.name, err)
	}
	if len(found) == 0 || len(p.texts) == 0 {
		return fmt.Errorf("no licence of %s is known", p.name)
	}
	p.licence = found[0].ID
	detected[p.name] = p.licence
	return nil
}

// licenceTexts returns the licences of what is not ours, which ask to be passed on.
func licenceTexts(parts []*part) []byte {
	var b bytes.Buffer
	for _, p := range parts[1:] {
		paths := make([]string, 0, len(p.texts))
		for path := range p.texts {
			paths = append(paths, path)
		}
		slices.Sort(paths)
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				continue
			}
			name, _ := filepath.Rel(p.dir, path)
			fmt.Fprintf(&b, "%s\n%s, %s\n%[1]s\n\n%s\n\n", strings.Repeat("=", 80), p.name, filepath.ToSlash(name), bytes.TrimSpace(text))
		}
	}
	return b.Bytes()
}

// bill returns what the program consists of, as CycloneDX in JSON: the modules that its
// file names, with the checksums that Go verified, and their licences.
func (r *release) bill(program string, parts []*part) ([]byte, error) {
	generator, err := bin.NewGenerator(program, bin.WithLogger(zerolog.Nop()), bin.WithIncludeStdlib(true),
		bin.WithVersionOverride("v"+r.version), bin.WithShortPURLS(true))
	if err != nil {
		return nil, err
	}
	bom, err := generator.Generate()
	if err != nil {
		return nil, err
	}
	licences := map[string]string{}
	for _, p := range parts {
		name, _, _ := strings.Cut(p.name, "@")
		licences[name] = p.licence
	}
	licence := func(c *cdx.Component) error {
		id := licences[c.Name]
		if id == "" {
			return fmt.Errorf("no licence of %s is known", c.Name)
		}
		c.Licenses = &cdx.Licenses{{License: &cdx.License{ID: id}}}
		return nil
	}
	if err := licence(bom.Metadata.Component); err != nil {
		return nil, err
	}
	for i := range *bom.Components {
		if err := licence(&(*bom.Components)[i]); err != nil {
			return nil, err
		}
	}
	bom.Metadata.Timestamp = r.time.Format(time.RFC3339)
	var b bytes.Buffer
	encoder := cdx.NewBOMEncoder(&b, cdx.BOMFileFormatJSON).SetPretty(true)
	if err := encoder.EncodeVersion(bom, cdx.SpecVersion1_6); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
