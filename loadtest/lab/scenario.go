package lab

import (
	"bytes"
	"embed"
	"fmt"
	"net/netip"
	"path"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// A scenario is a story in numbers: which shoppers and which attackers come to one shop.
// It is read from a file, whose comments and fields an analyst can read.
type scenario struct {
	Name    string        `yaml:"-"`     // of its file
	Story   string        `yaml:"story"` // one sentence
	Sources []string      `yaml:"sources"`
	Lasts   time.Duration `yaml:"lasts"`
	// Outage is when the processor answers nobody: the shop reports the outcome error.
	Outage   *span    `yaml:"outage"`
	Shoppers []crowd  `yaml:"shoppers"`
	Attacks  []attack `yaml:"attacks"`
}

// A span is a part of the scenario, from its start.
type span struct {
	From  time.Duration `yaml:"from"`
	Lasts time.Duration `yaml:"lasts"`
}

// A crowd is honest shoppers who share where they come from and when.
type crowd struct {
	People int `yaml:"people"`
	// Network is where their IP addresses are. They share that many of them; 0: every
	// household has one of its own, an IPv6 one a /64 of its own /56. Scattered: not side by
	// side, as households and companies are that buy from one shop.
	Network   netip.Prefix `yaml:"network"`
	Addresses int          `yaml:"addresses"`
	Scattered bool         `yaml:"scattered"`
	// Orders a day for each 1,000 people. They are spread over the hours, and the days, by
	// these weights; none: evenly.
	Orders int   `yaml:"orders_a_day_per_1000"`
	Hours  []int `yaml:"hours"`
	Days   []int `yaml:"days"`
	// Rush is a sale: that many orders within a short time, beside the others.
	Rush *rush `yaml:"rush"`
	// ShortOfMoney of 10,000 first attempts are declined for insufficient funds; 0: as
	// shoppers.yaml says.
	ShortOfMoney int `yaml:"short_of_money_of_10000"`
	// Victims: the first attacker has their cards; the n-th person has the n-th card.
	Victims bool `yaml:"victims"`
	// Link: they pay by the payment link, and so with the cart, of the first attacker.
	Link bool `yaml:"link"`
	// Renewal: the shop charges stored cards, and there is no shopper and no IP address. A
	// charge that is declined is tried again that often, once a day.
	Renewal bool `yaml:"renewal"`
	Dunning int  `yaml:"dunning"`
}

type rush struct {
	span   `yaml:",inline"`
	Orders int `yaml:"orders"`
}

// An attack is one attacker with a list of cards.
type attack struct {
	Cards int `yaml:"cards"`
	Live  int `yaml:"live_of_100"` // that many cards of 100 are good
	// Guess is what is not known of each card, "code" or "expiry"; it is one of that many
	// values, and each attempt tries the next one. Without it each card is tried once.
	Guess   string        `yaml:"guess"`
	Values  int           `yaml:"values"`
	From    time.Duration `yaml:"from"`
	Every   time.Duration `yaml:"every"` // an attempt, give or take a quarter
	Network netip.Prefix  `yaml:"network"`
	// Each IP address is used for that many attempts, 0: for all. The next one is the next
	// in the network: of IPv6 the next /64.
	PerAddress int `yaml:"attempts_per_address"`
	// Scattered: the next one is far from the last, as the households of a botnet are.
	Scattered bool `yaml:"scattered"`
	// MovesOn: it takes the next IP address, and the same card again, when it is blocked.
	MovesOn bool `yaml:"moves_on"`
	OneCart bool `yaml:"one_cart"` // otherwise a cart for each attempt
	// Later: the card is shown to the processor only (card: later).
	Later bool `yaml:"card_later"`
}

// Behaviour is what all honest shoppers have in common, in numbers of 10,000.
type behaviour struct {
	Sources    []string `yaml:"sources"`
	SecondCard int      `yaml:"second_card"` // have another card at hand
	ThirdCard  int      `yaml:"third_card"`  // have two others
	Wallet     int      `yaml:"wallet"`      // pay by a wallet: the card is known after the charge
	Guest      int      `yaml:"guest"`       // have no account
	Household  int      `yaml:"household"`   // live with another shopper of the same crowd
	Twice      int      `yaml:"twice"`       // attempts whose button is pressed again: the same attempt_id

	// Of first attempts:
	ShortOfMoney int `yaml:"short_of_money"` // declined for insufficient funds
	Typo         int `yaml:"typo"`           // declined for a code or expiry typed wrong
	Declined     int `yaml:"declined"`       // declined for another reason

	// After a decline, of shoppers:
	OtherCard int `yaml:"other_card"`
	GivesUp   int `yaml:"gives_up"` // the others try the same card again
}

//go:embed scenarios/*.yaml shoppers.yaml
var files embed.FS

// order is that of the table.
var order = strings.Fields(`shotgun slow_drip ipv6_64_rotation ipv4_24_rotation code_guessing expiry_guessing botnet
	distributed_guess cart_flood api_flood office call_centre carrier_nat_1 carrier_nat_4 carrier_nat_16
	flash_sale payday processor_outage renewals`)

// load reads all scenarios, in their order, and the shoppers' behaviour.
func load() (all []*scenario, b *behaviour, err error) {
	b = new(behaviour)
	if err := read("shoppers.yaml", b); err != nil {
		return nil, nil, err
	}
	for _, name := range order {
		s := &scenario{Name: name}
		if err := read(path.Join("scenarios", name+".yaml"), s); err != nil {
			return nil, nil, err
		}
		all = append(all, s)
	}
	return all, b, nil
}

// read reads one file into v. An unknown key is an error.
func read(name string, v any) error {
	text, err := files.ReadFile(name)
	if err != nil {
		return err
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
