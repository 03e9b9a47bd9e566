package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/CycloneDX/cyclonedx-gomod/pkg/generate/bin"
	"github.com/google/licensecheck"
	"github.com/rs/zerolog"
)

// A part is a module that the program is built from, or Go's library.
type part struct {
	name    string // as the bill calls it, then @ and the version
	dir     string
	texts   []text // of its licences
	licence string // an SPDX expression
}

// A text is a file in which a part speaks of rights.
type text struct {
	name string // from the folder of the part
	data []byte
}

var (
	rightsFile  = regexp.MustCompile(`(?i)^(licen[cs]e|copying|copyright|notice|patents)([.-].*)?$`)
	licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|copyright)`)
)

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
	byName, dirs := map[string]*part{}, map[*part][]string{}
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
			dirs[p] = append(dirs[p], dir)
		}
	}
	parts := slices.SortedFunc(maps.Values(byName), func(a, b *part) int { return strings.Compare(a.name, b.name) })
	parts = append([]*part{own, standard}, parts...)
	for _, p := range parts {
		if err := p.identify(append(dirs[p], p.dir)); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

// identify reads the licences in the folders and says which they are.
func (p *part) identify(dirs []string) error {
	slices.Sort(dirs)
	var ids []string
	for _, dir := range slices.Compact(dirs) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if !e.Type().IsRegular() || !rightsFile.MatchString(e.Name()) || filepath.Ext(e.Name()) == ".go" {
				continue
			}
			data, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				return err
			}
			name, err := filepath.Rel(p.dir, filepath.Join(dir, e.Name()))
			if err != nil {
				return err
			}
			p.texts = append(p.texts, text{filepath.ToSlash(name), data})
			if licenceFile.MatchString(e.Name()) {
				for _, m := range licensecheck.Scan(data).Match {
					ids = append(ids, m.ID)
				}
			}
		}
	}
	if len(ids) == 0 {
		return fmt.Errorf("the licence of %s is not known", p.name)
	}
	slices.Sort(ids)
	p.licence = strings.Join(slices.Compact(ids), " AND ")
	return nil
}

// licenceTexts returns the licences of what is not ours: most ask to be passed on.
func licenceTexts(parts []*part) []byte {
	var b bytes.Buffer
	rule := strings.Repeat("=", 80)
	for _, p := range parts[1:] {
		for _, t := range p.texts {
			fmt.Fprintf(&b, "%s\n%s, %s\n%s\n\n%s\n\n", rule, p.name, t.name, rule, bytes.TrimSpace(t.data))
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
			return fmt.Errorf("the licence of %s is not known", c.Name)
		}
		if strings.Contains(id, " ") {
			c.Licenses = &cdx.Licenses{{Expression: id}}
		} else {
			c.Licenses = &cdx.Licenses{{License: &cdx.License{ID: id}}}
		}
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
