// Command outside lets the reference implementation of transparency logs, golang.org/x/mod/sumdb, judge what
// sealdock wrote, and write what sealdock has to read. It reads a JSON array of questions from standard input
// and writes an array of answers, one for each. Build it without modules: GO111MODULE=off and
// GOPATH=/usr/share/gocode (Debian: golang-go, golang-golang-x-mod-dev).
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

// question is one thing to do; each operation below says which fields it reads.
type question struct {
	Op     string   `json:"op"`
	Text   string   `json:"text"`
	Name   string   `json:"name"`
	Vkeys  []string `json:"vkeys"`
	Folder string   `json:"folder"`
	Size   int64    `json:"size"`
	Old    int64    `json:"old"`
	Index  int64    `json:"index"`
	Root   string   `json:"root"`
	Before string   `json:"before"`
	Leaf   string   `json:"leaf"`
	Proof  []string `json:"proof"`
}

type answer struct {
	Error string   `json:"error"`
	Lines []string `json:"lines"`
}

func main() {
	var questions []question
	if err := json.NewDecoder(os.Stdin).Decode(&questions); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	answers := make([]answer, len(questions))
	for i, q := range questions {
		lines, err := ask(q)
		answers[i].Lines = lines
		if err != nil {
			answers[i].Error = err.Error()
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func ask(q question) ([]string, error) {
	switch q.Op {
	case "open": // text: a note; the answer is its text, then the names of those who signed
		return open(q)
	case "sign": // name, text: the answer is the verifier key, then the note
		return sign(q)
	case "record": // proof that the leaf is at index in the tree of this size and root
		proof, err := hashes(q.Proof)
		if err != nil {
			return nil, err
		}
		pair, err := hashes([]string{q.Root, q.Leaf})
		if err != nil {
			return nil, err
		}
		return nil, tlog.CheckRecord(tlog.RecordProof(proof), q.Size, pair[0], q.Index, pair[1])
	case "tree": // proof that the tree of size and root begins with the one of size old and root before
		proof, err := hashes(q.Proof)
		if err != nil {
			return nil, err
		}
		pair, err := hashes([]string{q.Root, q.Before})
		if err != nil {
			return nil, err
		}
		return nil, tlog.CheckTree(tlog.TreeProof(proof), q.Size, pair[0], q.Old, pair[1])
	case "new-tiles": // the tiles that growing from old to size adds
		var lines []string
		for _, tile := range tlog.NewTiles(height, q.Old, q.Size) {
			lines = append(lines, path(tile))
		}
		return lines, nil
	case "read": // folder, size, root: the root and two proofs, made from tiles that are checked against the root
		return read(q)
	}
	return nil, fmt.Errorf("no operation %q", q.Op)
}

func open(q question) ([]string, error) {
	var verifiers []note.Verifier
	for _, vkey := range q.Vkeys {
		verifier, err := newVerifier(vkey)
		if err != nil {
			return nil, err
		}
		verifiers = append(verifiers, verifier)
	}
	opened, err := note.Open([]byte(q.Text), note.VerifierList(verifiers...))
	if err != nil {
		return nil, err
	}
	lines := []string{opened.Text}
	for _, sig := range opened.Sigs {
		lines = append(lines, sig.Name)
	}
	return lines, nil
}

func sign(q question) ([]string, error) {
	skey, vkey, err := note.GenerateKey(rand.Reader, q.Name)
	if err != nil {
		return nil, err
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		return nil, err
	}
	signed, err := note.Sign(&note.Note{Text: q.Text}, signer)
	if err != nil {
		return nil, err
	}
	return []string{vkey, string(signed)}, nil
}

// cosigner checks cosignature/v1, which package note does not know, with the means of its standard library.
type cosigner struct {
	name string
	key  []byte
}

func newVerifier(vkey string) (note.Verifier, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) == 3 {
		key, err := base64.StdEncoding.DecodeString(parts[2])
		if err == nil && len(key) == 1+ed25519.PublicKeySize && key[0] == 4 {
			c := cosigner{parts[0], key}
			if got := fmt.Sprintf("%08x", c.KeyHash()); got != parts[1] {
				return nil, fmt.Errorf("key id %s, not %s", got, parts[1])
			}
			return c, nil
		}
	}
	return note.NewVerifier(vkey)
}

func (c cosigner) Name() string { return c.name }

func (c cosigner) KeyHash() uint32 {
	sum := sha256.Sum256(append([]byte(c.name+"\n"), c.key...))
	return binary.BigEndian.Uint32(sum[:])
}

func (c cosigner) Verify(msg, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	signed := fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(sig), msg)
	return ed25519.Verify(c.key[1:], []byte(signed), sig[8:])
}

func hashes(texts []string) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, len(texts))
	for i, text := range texts {
		hash, err := tlog.ParseHash(text)
		if err != nil {
			return nil, err
		}
		found[i] = hash
	}
	return found, nil
}

// path is a tile's name as tlog-tiles has it: without the height, which package tlog writes before the level.
func path(tile tlog.Tile) string {
	return strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/", height), "tile/", 1)
}

// folder reads tiles from files.
type folder string

func (f folder) Height() int { return height }

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range tiles {
		data, err := os.ReadFile(filepath.Join(string(f), path(tile)))
		if err != nil {
			return nil, err
		}
		found = append(found, data)
	}
	return found, nil
}

func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}

func read(q question) ([]string, error) {
	root, err := hashes([]string{q.Root})
	if err != nil {
		return nil, err
	}
	reader := tlog.TileHashReader(tlog.Tree{N: q.Size, Hash: root[0]}, folder(q.Folder))
	found, err := tlog.TreeHash(q.Size, reader)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(found[:], root[0][:]) {
		return nil, fmt.Errorf("the tiles have the root %v", found)
	}
	lines := []string{found.String()}
	record, err := tlog.ProveRecord(q.Size, q.Index, reader)
	if err != nil {
		return nil, err
	}
	tree, err := tlog.ProveTree(q.Size, q.Old, reader)
	if err != nil {
		return nil, err
	}
	for _, hash := range append(record, tree...) {
		lines = append(lines, hash.String())
	}
	return lines, nil
}
