package password

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// A slowHash is a password kept in a form that is costly to guess by. matches hashes
// once, whatever the password; work is what that costs.
type slowHash interface {
	matches(password string) bool
	work() Work
}

// The bounds of a stored hash: two at once stay within half a GiB, and one takes a few
// seconds at most.
const (
	minCost, maxCost = bcrypt.MinCost, 15
	maxMemory        = 256 << 10 // KiB
	maxPasses        = 16
	maxThreads       = 16
)

// The accepted forms, for error messages.
const (
	bcryptForm = "a bcrypt hash, such as $2b$12$ and 53 characters, of a cost from 4 to 15"
	argonForm  = "an argon2id string such as $argon2id$v=19$m=19456,t=2,p=1$SALT$HASH"
)

var bcryptPattern = regexp.MustCompile(`^\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}$`)

// bcryptHash is the hash as it is stored.
type bcryptHash struct {
	stored []byte
	cost   int
}

// newBcrypt parses a bcrypt hash of a cost from 4 to 15; 15 takes some seconds.
func newBcrypt(stored string) (slowHash, error) {
	parts := bcryptPattern.FindStringSubmatch(stored)
	if parts == nil {
		return nil, errors.New(bcryptForm)
	}
	cost, err := strconv.Atoi(parts[1])
	if err != nil || cost < minCost || cost > maxCost {
		return nil, errors.New(bcryptForm)
	}
	return &bcryptHash{stored: []byte(stored), cost: cost}, nil
}

// matches hashes before it refuses. Bcrypt looks at 72 bytes only, and repeats a
// password with NULs between, so both are refused here.
func (h *bcryptHash) matches(password string) bool {
	equal := bcrypt.CompareHashAndPassword(h.stored, []byte(password)) == nil
	return equal && len(password) <= 72 && !strings.Contains(password, "\x00")
}

// work implements slowHash.
func (h *bcryptHash) work() Work { return Work{Rounds: 1 << h.cost} }

// argonHash is a parsed argon2id string.
type argonHash struct {
	passes, memory uint32 // memory in KiB
	threads        uint8
	salt, sum      []byte
}

var argonPattern = regexp.MustCompile(`^\$argon2id\$v=19\$m=([1-9][0-9]{0,8}),t=([1-9][0-9]{0,8}),p=([1-9][0-9]{0,8})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$`)

// newArgon parses an argon2id string in PHC form: version 19, m in KiB, t passes, p
// threads, salt of 8 to 64 and hash of 16 to 64 bytes. Other variants of argon2 are
// refused.
func newArgon(stored string) (slowHash, error) {
	parts := argonPattern.FindStringSubmatch(stored)
	if parts == nil {
		return nil, errors.New(argonForm)
	}
	var numbers [3]uint64
	for i := range numbers {
		numbers[i], _ = strconv.ParseUint(parts[1+i], 10, 32) // nine digits fit
	}
	memory, passes, threads := numbers[0], numbers[1], numbers[2]
	if memory > maxMemory || memory < 8*threads || passes > maxPasses || threads > maxThreads {
		return nil, fmt.Errorf("an argon2id string with m (KiB) of at least 8 for each of p and at most %d, t at most %d and p at most %d",
			maxMemory, maxPasses, maxThreads)
	}
	salt, err := base64.RawStdEncoding.Strict().DecodeString(parts[4])
	if err != nil || len(salt) < 8 || len(salt) > 64 {
		return nil, errors.New("an argon2id string with a salt of 8 to 64 bytes in base64, without padding")
	}
	sum, err := base64.RawStdEncoding.Strict().DecodeString(parts[5])
	if err != nil || len(sum) < 16 || len(sum) > 64 {
		return nil, errors.New("an argon2id string with a hash of 16 to 64 bytes in base64, without padding")
	}
	return &argonHash{passes: uint32(passes), memory: uint32(memory), threads: uint8(threads), salt: salt, sum: sum}, nil
}

// matches compares in constant time.
func (h *argonHash) matches(password string) bool {
	sum := argon2.IDKey([]byte(password), h.salt, h.passes, h.memory, h.threads, uint32(len(h.sum)))
	return subtle.ConstantTimeCompare(sum, h.sum) == 1
}

// work implements slowHash.
func (h *argonHash) work() Work { return Work{Blocks: uint64(h.memory) * uint64(h.passes)} }
