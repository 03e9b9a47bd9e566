package main

import (
	"errors"
	"fmt"
	"time"

	"fraudcheck/internal/config"
	"fraudcheck/internal/velocity"
)

// A listFile is what the file of a list holds.
type listFile struct {
	path    string
	entries []velocity.Entry
	lines   []int // of the entries
}

// listFiles are the files of the lists, by the name of the list.
type listFiles map[string]*listFile

// A listPart is a run of the entries of the lists, which come from one setting.
type listPart struct {
	name  string    // of the list
	file  *listFile // nil for the entries of the configuration itself
	count int
}

// lists are the settings of each list.
func (p *policy) lists() []listSettings {
	s := &p.settings.Lists
	return []listSettings{
		{"allow", velocity.Allow, s.Allow, s.AllowFile, "lists.allow_file"},
		{"block", velocity.Block, s.Block, s.BlockFile, "lists.block_file"},
	}
}

// listSettings are the settings of one list.
type listSettings struct {
	name    string
	outcome velocity.Outcome
	entries []config.ListEntry
	file    string
	key     string // of file
}

// makeLists compiles both lists and their files into one, as the most specific network of
// either decides. A network that stands in both is refused: neither would be the more
// specific one.
//
// At a reload a file that is wrong, or that holds a network of the other list, stops
// nothing: the entries that are in force stay.
func (p *policy) makeLists() (*velocity.Lists, error) {
	inForce := p.listFiles
	p.listFiles = make(listFiles)
	for _, list := range p.lists() {
		if list.file == "" {
			continue
		}
		file, err := p.readListFile(list)
		if err != nil {
			if p.files != config.RegularFiles {
				return nil, err
			}
			p.refuse(err)
			file = inForce[list.name]
		}
		if file != nil {
			p.listFiles[list.name] = file
		}
	}
	lists, err := p.compileLists()
	if err == nil || p.files != config.RegularFiles || !p.bringBack(inForce) {
		return lists, err
	}
	lists, stillWrong := p.compileLists()
	if stillWrong == nil {
		p.refuse(err)
	}
	return lists, stillWrong
}

// bringBack puts the entries in force in place of those that were read from files, and
// reports whether that changes any.
func (p *policy) bringBack(inForce listFiles) (changed bool) {
	for name, file := range p.listFiles {
		if before := inForce[name]; before != file {
			changed = true
			p.listFiles[name] = before
		}
	}
	return changed
}

// compileLists compiles the entries. The error is a *config.Error with the place of the one
// that is wrong.
func (p *policy) compileLists() (*velocity.Lists, error) {
	var entries []velocity.Entry
	var parts []listPart
	for _, list := range p.lists() {
		for i, s := range list.entries {
			e, err := listEntry(fmt.Sprintf("lists.%s[%d]", list.name, i), s, list.outcome)
			if err != nil {
				return nil, err
			}
			entries = append(entries, e)
		}
		parts = append(parts, listPart{name: list.name, count: len(list.entries)})
	}
	for _, list := range p.lists() {
		if file := p.listFiles[list.name]; file != nil {
			entries = append(entries, file.entries...)
			parts = append(parts, listPart{list.name, file, len(file.entries)})
		}
	}
	lists, err := velocity.NewLists(entries)
	var twice *velocity.EntryError
	if errors.As(err, &twice) {
		return nil, p.listedTwice(parts, twice)
	}
	// The lists keep all entries: those of the files are not kept a second time.
	for _, part := range parts {
		if part.file != nil {
			part.file.entries = entries[:part.count:part.count]
		}
		entries = entries[part.count:]
	}
	return lists, err
}

// listEntry reads an entry of the configuration itself. The error is a *config.Error.
func listEntry(key string, s config.ListEntry, outcome velocity.Outcome) (e velocity.Entry, err error) {
	e = velocity.Entry{Outcome: outcome, Note: s.Note}
	var ok bool
	if e.Net, ok = velocity.ParseNetwork(s.Net); !ok {
		return e, expected(key+".net", aNetwork+networkHint(s.Net))
	}
	if s.Until != "" {
		if e.Until, err = time.Parse(time.RFC3339, s.Until); err != nil {
			return e, expected(key+".until", "a time such as 2027-01-31T00:00:00Z")
		}
	}
	return e, nil
}

// readListFile reads the file of the list. The error is a *config.Error.
func (p *policy) readListFile(list listSettings) (*listFile, error) {
	read, err := p.readNetworks(list.key, list.file)
	if err != nil {
		return nil, err
	}
	file := &listFile{path: list.file, entries: make([]velocity.Entry, len(read)), lines: make([]int, len(read))}
	for i, l := range read {
		file.entries[i] = velocity.Entry{Net: l.network, Outcome: list.outcome, Note: l.note, Repeats: true}
		file.lines[i] = l.line
	}
	return file, nil
}

// listedTwice returns the error of an entry whose network another entry has.
func (p *policy) listedTwice(parts []listPart, twice *velocity.EntryError) error {
	part, i := partOf(parts, twice.Index)
	first, j := partOf(parts, twice.First)
	const what = "a network that is not listed yet, in either list"
	where := fmt.Sprintf("lists.%s[%d]", first.name, j)
	if part.file == nil { // then both are of the configuration
		return expected(fmt.Sprintf("lists.%s[%d].net", part.name, i), fmt.Sprintf("%s: %s has it, in line %d", what, where, p.config.Line(where)))
	}
	if first.file != nil {
		where = fmt.Sprintf("line %d of lists.%s_file", first.file.lines[j], first.name)
	}
	return &config.Error{Key: "lists." + part.name + "_file", File: part.file.path, Line: part.file.lines[i],
		Expected: what + ": " + where + " has it"}
}

// partOf returns the part that the entry is of, and its index there.
func partOf(parts []listPart, index int) (listPart, int) {
	for _, part := range parts {
		if index < part.count {
			return part, index
		}
		index -= part.count
	}
	return listPart{}, index
}

// refuse notes what a reload leaves as it is, because a file is wrong.
func (p *policy) refuse(err error) { p.refused = append(p.refused, p.config.Locate(err)) }
