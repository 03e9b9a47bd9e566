package velocity

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The values below were computed apart from this program, in Python, as RFC 5869 (HKDF)
// and RFC 2104 (HMAC) say. What stores hold is found under them: another value would
// forget everybody who is blocked, and part old instances from new ones.

func TestDerivedKeysAreTheSameInAllVersions(t *testing.T) {
	k := testKeys(t)
	seen := map[string]string{}
	for purpose, got := range map[string][]byte{
		"9b9bc1d9a00a2c13e2620511a40a068df63ea2ec40efea020e787208830860ac": k.subject,
		"b5abbbca066e7d919de9d8847afd0d0ae6c9b1758804fe2c59b34e32b171ecfe": k.element,
		"336f4437c67efb36022258e123094cb711b2abbe906624d0ec778bcc40c4237b": k.record,
		"7865252f392ed1ad77f689306f624b26340f9c59ee172530a6b745ddabe2c357": k.snapshot,
		"3b9a7a8c7d48a5fd710f6355cc7ab03640e1590f7b192effd1634ff6f5824069": k.shown,
		"0b2aa9c26f9fbf5866e326071845b944b86609b2394a4fe1ba2290cb33e9d531": k.override,
		"b00f51db13bce85628114985531f41febbcbe85dadee630b14ef825e4e657257": k.overrideNonce,
		"29fedb304f99": k.id[:],
	} {
		require.Equal(t, purpose, hex.EncodeToString(got))
		require.Empty(t, seen[string(got)], "each purpose has a key of its own")
		seen[string(got)] = purpose
	}
	require.NotContains(t, hex.EncodeToString(k.subject), hex.EncodeToString(k.id[:]), "the id, which stores show, is no part of a key")
}

func TestStoreKeysAndFingerprintsAreTheSameInAllVersions(t *testing.T) {
	k := testKeys(t)
	m := k.macs.Get().(*macs)
	plan, err := NewPlan([]Rule{DefaultRule}, 64)
	require.NoError(t, err)
	a := parseAttempt(t, "ip=203.0.113.7", "last4=4242", "exp_month=12", "exp_year=30", "attempt_id=pi_1",
		"email=Eve@example.com", "device=d", "cart=c", "account=a")
	ip := kindNamed("ip", subjectName).from.identity(&a, plan)
	address := m.key(kindNamed("ip", subjectName), &ip)

	for id, want := range map[byte]struct{ key, fingerprint string }{
		1:  {"2cf04b2f21dfcf4ecd758194b6b7da58", "8a3f57c24efcf07d"},
		2:  {"693cbd7295bf8d8d4d69946d1cda53e4", "2dd27889eaf266d5"},
		3:  {"f5fc0ec707fd624f7f815a54fbfeedb0", "2fba9109c3686016"},
		4:  {"217a13e661b3057305013e68da332552", "c41ff1ee7419daaf"},
		5:  {"e25043a0ee86e51697c1486736cf88ac", "27a2f875e3b3d5f5"},
		6:  {"ea63c0e98c4b2f5aa7589cd70148aab3", "7f96ad2902f17455"},
		7:  {"f647b25bdb0ff1736794b2d26ab7da34", "d12588e1c69b58f4"},
		8:  {"3337973c025571d7421501948848de40", "0f86374cc75a0854"},
		9:  {"11d85c6341e34c1cbaa0548e4d149587", "ec6c551e2256226d"},
		10: {"46e92c36843f7116a77808a74dbe3023", "1c0e43f52d200bf3"},
	} {
		kind := &kinds[kindIndex(id)]
		who := kind.from.identity(&a, plan)
		key, fingerprint := m.key(kind, &who), m.fingerprint(&address, kind, &who)
		require.Equal(t, want.key, hex.EncodeToString(key[:]), "kind %d", id)
		require.Equal(t, want.fingerprint, fmt.Sprintf("%016x", fingerprint), "kind %d", id)
	}

	a = parseAttempt(t, "ip=2001:db8:1:2:3::4", "card_id=tok_A", "exp_month=7", "exp_year=29")
	expiries := kindNamed("expiries", elementName)
	expiry := expiries.from.identity(&a, plan)
	require.Equal(t, "ae7e1c7be14d14bb", fmt.Sprintf("%016x", m.fingerprint(&address, expiries, &expiry)))
	for subject, want := range map[string]string{
		"ip":      "c5b50fe1ef332c3de0a174457d3a7fd2",
		"network": "37571f4347cfaa4f9ce4c3b6ea6209ba",
		"card":    "3e44d508803c4aed1c9765695fd82489",
	} {
		kind := kindNamed(subject, subjectName)
		who := kind.from.identity(&a, plan)
		key := m.key(kind, &who)
		require.Equal(t, want, hex.EncodeToString(key[:]), subject)
	}

	check := k.mac(address, []byte{versionLists, 0, 0})
	require.Equal(t, "7b5f8a51e2ff251667fb2226df2f07d6", hex.EncodeToString(check[:]))
}

func TestFingerprintsTellNothingAcrossSubjects(t *testing.T) {
	keys := testKeys(t)
	m := keys.macs.Get().(*macs)
	ip, network, card := kindNamed("ip", subjectName), kindNamed("network", subjectName), kindNamed("card", subjectName)
	card1, card2 := cardIdentity("4242", 1, 2030), cardIdentity("4243", 1, 2030)
	a, b := networkIdentity(netip.MustParseAddr("203.0.113.7"), 32, 64), networkIdentity(netip.MustParseAddr("203.0.113.8"), 32, 64)
	ka, kb := m.key(ip, &a), m.key(ip, &b)
	require.NotEqual(t, ka, kb)
	require.NotEqual(t, ka, m.key(network, &a), "one identity, two kinds")
	require.NotEqual(t, m.fingerprint(&ka, card, &card1), m.fingerprint(&ka, card, &card2))
	require.NotEqual(t, m.fingerprint(&ka, card, &card1), m.fingerprint(&kb, card, &card1))
	require.Equal(t, ka, m.key(ip, &a))
	others, err := NewKeys([]byte(strings.Repeat("z", 40)))
	require.NoError(t, err)
	require.NotEqual(t, ka, others.macs.Get().(*macs).key(ip, &a), "without the hash key there is no table to look up")
	_, err = NewKeys([]byte(strings.Repeat("z", 31)))
	require.Error(t, err)
}
