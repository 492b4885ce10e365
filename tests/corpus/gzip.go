// Compresses standard input as Go's tools do: gzip LEVEL, where -1 is the default.
package main

import (
	"compress/gzip"
	"io"
	"log"
	"os"
	"strconv"
)

func main() {
	level, err := strconv.Atoi(os.Args[1])
	check(err)
	out, err := gzip.NewWriterLevel(os.Stdout, level)
	check(err)
	_, err = io.Copy(out, os.Stdin)
	check(err)
	check(out.Close())
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
