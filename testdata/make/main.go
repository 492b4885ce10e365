// Writes the Go-made pieces of the test images: layers compressed by Go's own
// compress/gzip, the manifests and indexes around them, and the chart archive.
//
// Only the standard library is used, so that the compressed bytes are those of
// the Go release that runs this program and of nothing else.
//
//	make image [flags] LAYER...     an image in an OCI layout; prints its digest
//	make index -out DIR PLATFORM=DIGEST...   an index over images in that layout
//	make chart -out FILE DIR        a chart archive as `helm package` writes it
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	typeManifest = "application/vnd.oci.image.manifest.v1+json"
	typeIndex    = "application/vnd.oci.image.index.v1+json"
	typeConfig   = "application/vnd.oci.image.config.v1+json"
	typeTar      = "application/vnd.oci.image.layer.v1.tar"
)

type platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

type descriptor struct {
	MediaType string    `json:"mediaType"`
	Digest    string    `json:"digest"`
	Size      int       `json:"size"`
	Platform  *platform `json:"platform,omitempty"`
}

type manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Config        descriptor   `json:"config"`
	Layers        []descriptor `json:"layers"`
}

type index struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Manifests     []descriptor `json:"manifests"`
}

type history struct {
	Created   string `json:"created"`
	CreatedBy string `json:"created_by"`
}

type runConfig struct {
	Env []string `json:"Env,omitempty"`
	Cmd []string `json:"Cmd,omitempty"`
}

type rootfs struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"`
}

type config struct {
	Created      string    `json:"created"`
	Architecture string    `json:"architecture"`
	OS           string    `json:"os"`
	Config       runConfig `json:"config"`
	RootFS       rootfs    `json:"rootfs"`
	History      []history `json:"history"`
}

func main() {
	log.SetFlags(0)
	commands := map[string]func([]string) error{
		"image": writeImage,
		"index": writeIndex,
		"chart": writeChart,
	}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		log.Fatal("usage: make image|index|chart ...")
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		log.Fatal(err)
	}
}

// writeImage makes one image. A LAYER is a tar file, compressed here at -level,
// or PLAIN.tar=ENCODED, where ENCODED was already compressed by another tool.
func writeImage(args []string) error {
	flags := flag.NewFlagSet("image", flag.ExitOnError)
	out := flags.String("out", "", "the layout directory to write into")
	level := flags.Int("level", gzip.DefaultCompression, "gzip level")
	arch := flags.String("arch", "amd64", "architecture")
	epoch := flags.Int64("epoch", 0, "creation time, seconds since 1970")
	cmd := flags.String("cmd", "", "the command, words separated by spaces")
	by := flags.String("by", "compress/gzip", "what the history says made a layer")
	flags.Parse(args)

	created := time.Unix(*epoch, 0).UTC().Format(time.RFC3339)
	c := config{
		Created: created, Architecture: *arch, OS: "linux",
		Config: runConfig{
			Env: []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"},
			Cmd: strings.Fields(*cmd),
		},
		RootFS: rootfs{Type: "layers"},
	}
	m := manifest{SchemaVersion: 2, MediaType: typeManifest}
	for _, arg := range flags.Args() {
		layer, diffID, err := writeLayer(*out, arg, *level)
		if err != nil {
			return err
		}
		m.Layers = append(m.Layers, layer)
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, diffID)
		c.History = append(c.History, history{created, *by})
	}
	var err error
	if m.Config, err = writeJSON(*out, typeConfig, c); err != nil {
		return err
	}
	return printDigest(writeJSON(*out, typeManifest, m))
}

func writeLayer(out, arg string, level int) (descriptor, string, error) {
	plainPath, encodedPath, given := strings.Cut(arg, "=")
	plain, err := os.ReadFile(plainPath)
	if err != nil {
		return descriptor{}, "", err
	}
	var encoded []byte
	if given {
		encoded, err = os.ReadFile(encodedPath)
	} else {
		encoded, err = compress(plain, level)
	}
	if err != nil {
		return descriptor{}, "", err
	}
	mediaType := typeTar
	if bytes.HasPrefix(encoded, []byte{0x1f, 0x8b}) {
		mediaType += "+gzip"
	}
	layer, err := writeBlob(out, mediaType, encoded)
	return layer, digestOf(plain), err
}

func compress(plain []byte, level int) ([]byte, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, level)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(plain); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func writeIndex(args []string) error {
	flags := flag.NewFlagSet("index", flag.ExitOnError)
	out := flags.String("out", "", "the layout directory to write into")
	flags.Parse(args)

	x := index{SchemaVersion: 2, MediaType: typeIndex}
	for _, arg := range flags.Args() {
		name, digest, _ := strings.Cut(arg, "=")
		system, arch, _ := strings.Cut(name, "/")
		info, err := os.Stat(blobPath(*out, digest))
		if err != nil {
			return err
		}
		x.Manifests = append(x.Manifests, descriptor{
			typeManifest, digest, int(info.Size()), &platform{arch, system},
		})
	}
	return printDigest(writeJSON(*out, typeIndex, x))
}

// writeChart packs the files of a chart as Helm 3 does: Go's tar and gzip, and
// a gzip header that carries Helm's extra field and comment.
func writeChart(args []string) error {
	flags := flag.NewFlagSet("chart", flag.ExitOnError)
	out := flags.String("out", "", "the archive to write")
	epoch := flags.Int64("epoch", 0, "modification time of the files")
	flags.Parse(args)
	dir := flags.Arg(0)

	var b bytes.Buffer
	zipper := gzip.NewWriter(&b)
	zipper.Header.Extra = []byte("+aHR0cHM6Ly95b3V0dS5iZS96OVV6MWljandyTQo=")
	zipper.Header.Comment = "Helm"
	archive := tar.NewWriter(zipper)
	for _, name := range []string{"Chart.yaml", "values.yaml", "templates/deployment.yaml", "templates/job.yaml"} {
		body, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		header := tar.Header{
			Name: filepath.Base(dir) + "/" + name, Mode: 0o644,
			Size: int64(len(body)), ModTime: time.Unix(*epoch, 0),
		}
		if err := archive.WriteHeader(&header); err != nil {
			return err
		}
		if _, err := archive.Write(body); err != nil {
			return err
		}
	}
	if err := archive.Close(); err != nil {
		return err
	}
	if err := zipper.Close(); err != nil {
		return err
	}
	return os.WriteFile(*out, b.Bytes(), 0o644)
}

func writeJSON(out, mediaType string, value interface{}) (descriptor, error) {
	body, err := json.Marshal(value)
	if err != nil {
		return descriptor{}, err
	}
	return writeBlob(out, mediaType, body)
}

func writeBlob(out, mediaType string, body []byte) (descriptor, error) {
	digest := digestOf(body)
	path := blobPath(out, digest)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return descriptor{}, err
	}
	return descriptor{MediaType: mediaType, Digest: digest, Size: len(body)},
		os.WriteFile(path, body, 0o644)
}

func blobPath(out, digest string) string {
	return filepath.Join(out, "blobs", strings.Replace(digest, ":", "/", 1))
}

func digestOf(body []byte) string {
	return fmt.Sprintf("sha256:%x", sha256.Sum256(body))
}

func printDigest(d descriptor, err error) error {
	if err == nil {
		fmt.Println(d.Digest)
	}
	return err
}
