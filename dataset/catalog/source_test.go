package catalog

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// programs puts shell scripts on the PATH, and nothing else. In them $FIXTURES is a folder of the given files.
func programs(t *testing.T, fixtures map[string][]byte, scripts map[string]string) {
	t.Helper()
	bin, fix := t.TempDir(), t.TempDir()
	for name, b := range fixtures {
		if err := os.WriteFile(filepath.Join(fix, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, s := range scripts {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+s), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin)
	t.Setenv("FIXTURES", fix)
}

func TestPackages(t *testing.T) {
	plain := map[string][]byte{"stage.txt": content}
	dpkg := `[ "$1" = -x ] && /bin/mkdir -p "$3/usr/share/stage" && /bin/cp "$FIXTURES/stage.txt" "$3/usr/share/stage/"`
	for name, c := range map[string]struct {
		source   Source
		fixtures map[string][]byte
		scripts  map[string]string
		want     string
	}{
		"apt": {debian{"stage"}, plain, map[string]string{
			"apt-get":  `[ "$2 $3" = "download stage" ] && echo deb > stage_1.0_all.deb`,
			"dpkg-deb": dpkg,
		}, ""},
		"apt whose lists are missing": {debian{"stage"}, plain, map[string]string{
			"apt-get": `
				case "$*" in
				*Dir::State::Lists=*update) for a; do case $a in Dir::State::Lists=*) echo > "${a#*=}/stage";; esac; done; exit 1;;
				*Dir::State::Lists=*download*) [ -e lists/stage ] && echo deb > stage_1.0_all.deb;;
				*) echo "E: Unable to locate package stage" >&2; exit 100;;
				esac`,
			"dpkg-deb": dpkg,
		}, ""},
		"apt without the package": {debian{"stage"}, nil, map[string]string{
			"apt-get": `echo "E: Unable to locate package stage" >&2; exit 100`,
		}, "Unable to locate package stage"},
		"no apt": {debian{"stage"}, nil, nil, "apt-get is not installed"},
		"apt without dpkg": {debian{"stage"}, nil, map[string]string{
			"apt-get": `echo deb > stage_1.0_all.deb`,
		}, "dpkg-deb is not installed"},
		"npm": {npm{"stage", "1.2.3"}, map[string][]byte{"a.tgz": tarred(t, map[string][]byte{"package/stage.txt": content})},
			map[string]string{"npm": `[ "$*" = "pack stage@1.2.3" ] && /bin/cp "$FIXTURES/a.tgz" stage-1.2.3.tgz`}, ""},
		"npm that brings nothing": {npm{"stage", "1.2.3"}, nil, map[string]string{"npm": "exit 0"}, "no *.tgz came"},
		"npm that fails":          {npm{"stage", "1.2.3"}, nil, map[string]string{"npm": "echo npm error 404 >&2; exit 1"}, "npm error 404"},
		"pip": {pypi{"stage"}, map[string][]byte{"a.whl": zipped(t, map[string][]byte{"stage/data/stage.txt.gz": gz(content)})},
			map[string]string{"pip3": `/bin/cp "$FIXTURES/a.whl" stage-1.0-py3-none-any.whl`}, ""},
		"pip by its other name": {pypi{"stage"}, map[string][]byte{"a.whl": zipped(t, plain)},
			map[string]string{"pip": `/bin/cp "$FIXTURES/a.whl" stage-1.0-py3-none-any.whl`}, ""},
		"no pip": {pypi{"stage"}, nil, nil, "pip is not installed"},
		"go": {goModule{"example.org/stage", "v1.0.0", "."}, plain, map[string]string{
			"go": `[ "$*" = "mod download -json example.org/stage@v1.0.0" ] && echo "{\"Dir\":\"$FIXTURES\"}"`}, ""},
		"go that says nothing": {goModule{"example.org/stage", "v1.0.0", "data"}, nil, map[string]string{"go": "exit 0"}, "did not say where"},
		"a package that holds something else": {npm{"stage", "1"}, map[string][]byte{"a.tgz": tarred(t, map[string][]byte{"stage.txt": []byte("x")})},
			map[string]string{"npm": `/bin/cp "$FIXTURES/a.tgz" .`}, "not what is on record"},
	} {
		t.Run(name, func(t *testing.T) {
			programs(t, c.fixtures, c.scripts)
			o := options(t)
			d, err := entry(c.source).get(t.Context(), o)
			if c.want == "" {
				wantContent(t, d, err)
			} else if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one that says %q", err, c.want)
			}
			if left := leftBehind(t, o, "stage"); left != nil {
				t.Errorf("it left %v", left)
			}
		})
	}
}

// ftpServer answers one guest after another on the loopback. cut is how many bytes the first tries lose.
func ftpServer(t *testing.T, body []byte, cut ...int) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			lose := 0
			if len(cut) > 0 {
				lose, cut = cut[0], cut[1:]
			}
			talk(c, body, lose)
			c.Close()
		}
	}()
	return "ftp://" + l.Addr().String()
}

func talk(c net.Conn, body []byte, lose int) {
	say := func(format string, a ...any) { fmt.Fprintf(c, format+"\r\n", a...) }
	say("220-welcome\r\n220 to the test")
	var data net.Listener
	for lines := bufio.NewScanner(c); lines.Scan(); {
		verb, arg, _ := strings.Cut(lines.Text(), " ")
		switch {
		case verb == "USER":
			say("331 who are you")
		case verb == "PASS":
			say("230 come in")
		case verb == "TYPE":
			say("200 as you like it")
		case verb == "SIZE" && arg == "/stage.txt":
			say("213 %d", len(body))
		case verb == "EPSV":
			var err error
			if data, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
				return
			}
			defer data.Close()
			say("229 Entering Extended Passive Mode (|||%d|)", data.Addr().(*net.TCPAddr).Port)
		case verb == "RETR" && arg == "/stage.txt":
			say("150 here it comes")
			d, err := data.Accept()
			if err != nil {
				return
			}
			d.Write(body[:len(body)-lose])
			d.Close()
			say("226 that was all")
		default:
			say("550")
		}
	}
}

func TestFTP(t *testing.T) {
	d, err := entry(home(ftpServer(t, content), "stage.txt")).get(t.Context(), options(t))
	wantContent(t, d, err)
	d, err = entry(home(ftpServer(t, content, 1000), "stage.txt")).get(t.Context(), options(t))
	wantContent(t, d, err)
	_, err = entry(home(ftpServer(t, content, 1, 1, 1, 1), "stage.txt")).get(t.Context(), options(t))
	if err == nil || !strings.Contains(err.Error(), "unexpected EOF") {
		t.Errorf("error %v, want one about the missing byte", err)
	}
	_, err = entry(home(ftpServer(t, content), "other.txt")).get(t.Context(), options(t))
	if err == nil || !strings.Contains(err.Error(), "550") {
		t.Errorf("error %v, want the server's", err)
	}
}
