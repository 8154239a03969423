package recipe

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/latent-go/latent/dataset/catalog"
)

// wordNetSenses calls f with each sense of WordNet: the number of the lexicographers' file that it is from, its words, with
// "_" between the parts of one, and what follows the bar, a definition and examples in quotes.
func wordNetSenses(ctx context.Context, f func(file string, words []string, gloss string)) error {
	net, err := catalog.Get(ctx, "wordnet", catalog.Options{})
	if err != nil {
		return err
	}
	for _, file := range net.Files {
		b, err := os.ReadFile(net.Path(file.Name))
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(b)) {
			// offset file type count, word and number so many times, …: wndb(5WN). The licence above is indented.
			head, gloss, ok := strings.Cut(line, " | ")
			if !ok || strings.HasPrefix(line, " ") {
				continue
			}
			fields := strings.Fields(head)
			var count uint64
			if len(fields) > 3 {
				count, _ = strconv.ParseUint(fields[3], 16, 8)
			}
			if count == 0 || len(fields) < 4+2*int(count) {
				return fmt.Errorf("wordnet: %s: a line is not a sense: %.60s", file.Name, line)
			}
			words := make([]string, count)
			for i := range words {
				words[i] = fields[4+2*i]
			}
			f(fields[1], words, gloss)
		}
	}
	return nil
}

// nplText is a text of the NPL collection and the number that judgements know it by: of 1 to 11,429 three have no text.
type nplText struct {
	number int
	text   string
}

// nplTexts reads a file of the NPL collection.
func nplTexts(path string) ([]nplText, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	texts, err := readNPL(f)
	if err != nil {
		return nil, fmt.Errorf("npl: %s: %w", path, err)
	}
	return texts, nil
}

// readNPL reads texts that begin with a line for their number and end with a line of a slash.
func readNPL(r io.Reader) (texts []nplText, err error) {
	var b strings.Builder
	number := 0
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := lines.Text()
		switch trimmed := strings.TrimSpace(line); {
		case trimmed == "/":
			texts = append(texts, nplText{number, strings.TrimSpace(b.String())})
			b.Reset()
			number = 0
		case number > 0:
			b.WriteString(line + "\n")
		case trimmed != "":
			if number, err = strconv.Atoi(trimmed); err != nil || number < 1 {
				return nil, fmt.Errorf("%.60q is no number of a text", line)
			}
		}
	}
	return texts, lines.Err()
}
