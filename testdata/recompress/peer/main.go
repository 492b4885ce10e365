// Peer runs an original encoder: peer ENCODER LEVEL WRITE < plain > gzip
//
// WRITE is the size of its writes in bytes. The header is the encoder's own.
package main

import (
	"bytes"
	gogzip "compress/gzip"
	"fmt"
	"io"
	"os"
	"strconv"

	kpgzip "github.com/klauspost/compress/gzip"
	"github.com/klauspost/pgzip"
)

// By name: a writer of gzip to out at a level.
var encoders = map[string]func(out io.Writer, level int) (io.WriteCloser, error){
	"go": func(out io.Writer, level int) (io.WriteCloser, error) {
		return gogzip.NewWriterLevel(out, level)
	},
	"klauspost": func(out io.Writer, level int) (io.WriteCloser, error) {
		return kpgzip.NewWriterLevel(out, level)
	},
	"pgzip-1048576": pgzipBlocks(1 << 20),
	"pgzip-262144":  pgzipBlocks(1 << 18),
	"pgzip-20000":   pgzipBlocks(20000),
}

// A parallel encoder with blocks of that many bytes.
func pgzipBlocks(block int) func(out io.Writer, level int) (io.WriteCloser, error) {
	return func(out io.Writer, level int) (io.WriteCloser, error) {
		writer, err := pgzip.NewWriterLevel(out, level)
		if err != nil {
			return nil, err
		}
		return writer, writer.SetConcurrency(block, 2)
	}
}

func run(name string, level, size int) error {
	encoder, known := encoders[name]
	if !known {
		return fmt.Errorf("no encoder %q", name)
	}
	plain, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	writer, err := encoder(&out, level)
	if err != nil {
		return err
	}
	for at := 0; at < len(plain); at += size {
		end := len(plain)
		if end-at > size {
			end = at + size
		}
		if _, err := writer.Write(plain[at:end]); err != nil {
			return err
		}
	}
	if err := writer.Close(); err != nil {
		return err
	}
	_, err = os.Stdout.Write(out.Bytes())
	return err
}

func main() {
	level, err := strconv.Atoi(os.Args[2])
	if err == nil {
		var size int
		if size, err = strconv.Atoi(os.Args[3]); err == nil {
			err = run(os.Args[1], level, size)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
