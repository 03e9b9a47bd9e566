package main

import (
	"fmt"
	"net/netip"

	"fraudcheck/internal/config"
	"fraudcheck/internal/velocity"
)

// guardFile is the name of collapse_guard.networks_file among the files of lists.
const guardFile = "collapse_guard"

// withGuard returns the plan with the collapse guard of the settings. inForce is what was read from the file of networks before: at a reload
// it stays where the file is wrong now. The error is a *config.Error.
func (p *policy) withGuard(plan *velocity.Plan, inForce *listFile) (*velocity.Plan, error) {
	s := &p.settings.CollapseGuard
	var guard velocity.CollapseGuard
	for i, text := range s.Networks {
		network, ok := velocity.ParseNetwork(text)
		if !ok {
			return nil, expected(fmt.Sprintf("collapse_guard.networks[%d]", i), aNetwork+networkHint(text))
		}
		guard.Networks = append(guard.Networks, network)
		p.warnOfGuarded(network, fmt.Sprintf("collapse_guard.networks[%d]", i), "")
	}
	if s.NetworksFile != "" {
		file, err := p.readListFile(listSettings{key: "collapse_guard.networks_file", file: s.NetworksFile})
		if err != nil {
			if p.files != config.RegularFiles {
				return nil, err
			}
			p.refuse(err)
			file = inForce
		}
		if file != nil {
			p.listFiles[guardFile] = file
			for i, e := range file.entries {
				guard.Networks = append(guard.Networks, e.Net)
				p.warnOfGuarded(e.Net, "collapse_guard.networks_file", fmt.Sprintf(", in line %d", file.lines[i]))
			}
		}
	}
	switch s.Private {
	case "enforce":
		guard.AtMost = velocity.Block
		if len(guard.Networks) > 0 {
			p.warn("collapse_guard.private is enforce: rules block the addresses of collapse_guard.networks and networks_file too; these are only kept out of the list for firewalls")
		}
	case "review":
		guard.AtMost = velocity.Review
	}
	return plan.WithGuard(guard), nil
}

// warnOfGuarded warns of a network that holds every address.
func (p *policy) warnOfGuarded(network netip.Prefix, key, where string) {
	if network.Bits() == 0 {
		p.warn("%s holds every %s address%s: no rule on addresses blocks any", key, versionOfIP(network), where)
	}
}
