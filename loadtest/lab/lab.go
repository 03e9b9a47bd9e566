// Lab plays attacks and honest trade against rules, and scores them.
//
//	go run ./loadtest lab                     the default rule, and the rule pack
//	go run ./loadtest lab -rules FILE         the rules of a configuration file
//	go run ./loadtest lab -seed 7 -json FILE  other draws; the results for a program to read
//
// Each scenario is a file in scenarios, with where its numbers come from; what honest
// shoppers have in common is in shoppers.yaml. The rules are the service's own, on its own
// records; only the clock, the shop and the issuers are made up. All draws are whole numbers
// from seeded generators, so two runs with one seed are equal on every machine.
//
// Attackers hear what a real one would: whether the payment went through. Some go on, some
// change their address. They do not know the rules. Outcomes are told three seconds after
// the charge.
package lab

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"fraudcheck/internal/config"
	"fraudcheck/internal/velocity"
)

// Main runs the lab as its arguments say.
func Main(args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("loadtest lab", flag.ContinueOnError)
	flags.SetOutput(stderr)
	seed := flags.Uint64("seed", 1, "of the draws")
	jsonFile := flags.String("json", "", "`file` for the results as JSON")
	rulesFile := flags.String("rules", "", "configuration `file` whose rules are played instead of the default rule and the rule pack")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	sets := []*RuleSet{Default()}
	if *rulesFile == "" {
		pack, err := ReadRules(packFile)
		if err != nil {
			return fmt.Errorf("to be run in the root of the repository: %w", err)
		}
		sets = append(sets, pack)
	}
	if *rulesFile != "" {
		set, err := ReadRules(*rulesFile)
		if err != nil {
			return err
		}
		sets = []*RuleSet{set}
	}
	var all []*Result
	for _, set := range sets {
		results, err := Play(set, *seed)
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "%s\n\n%s\n%s\n", set.Name, Table(results), set.RuleTable(results))
		all = append(all, results...)
	}
	if *jsonFile == "" {
		return nil
	}
	text, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(*jsonFile, append(text, '\n'), 0o644)
}

// packFile is the rule pack.
const packFile = "deploy/rules/recommended.yaml"

// A RuleSet is rules with a name.
type RuleSet struct {
	Name  string
	rules []velocity.Rule
}

// Default is the rule that runs where the configuration says nothing.
func Default() *RuleSet { return &RuleSet{"default", []velocity.Rule{velocity.DefaultRule}} }

// ReadRules reads the rules of a configuration file.
func ReadRules(path string) (*RuleSet, error) {
	c, err := config.Read(path, "-rules", config.FilesAndPipes, nil)
	if err != nil {
		return nil, err
	}
	set := &RuleSet{Name: path}
	for _, r := range c.Settings.Rules {
		set.rules = append(set.rules, velocity.Rule{
			Name: r.Name, Per: r.Per, Count: r.Count, Window: r.Window, ReviewOver: r.ReviewOver, BlockOver: r.BlockOver,
			Retention: velocity.Retention(r.Retention), Hold: r.Hold, Mode: velocity.Mode(r.Mode),
		})
	}
	return set, nil
}

// Play plays the scenarios with these names against the rules; without names all.
func Play(set *RuleSet, seed uint64, names ...string) (results []*Result, err error) {
	scenarios, behaviour, err := load()
	if err != nil {
		return nil, err
	}
	plan, err := velocity.NewPlan(set.rules, 64)
	if err != nil {
		return nil, err
	}
	keys, err := velocity.NewKeys(make([]byte, 32)) // they protect nothing here
	if err != nil {
		return nil, err
	}
	for _, s := range scenarios {
		if len(names) > 0 && !slices.Contains(names, s.Name) {
			continue
		}
		memory, err := velocity.NewMemory(1 << 30)
		if err != nil {
			return nil, err
		}
		w := &world{
			scenario: s, behaviour: behaviour, seed: seed, checker: velocity.NewChecker(plan, keys, memory),
			result: &Result{Scenario: s.Name, Rules: set.Name, ByRule: map[string]*RuleCount{}}, declines: map[string][]time.Duration{},
		}
		for _, r := range set.rules {
			w.result.ByRule[r.Name] = new(RuleCount)
		}
		w.run()
		results = append(results, w.result)
	}
	return results, nil
}
