module fraudcheck/client

go 1.24
