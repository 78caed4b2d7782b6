package grade

import (
	"cmp"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// How many files of a student are looked into, because their names do not say what they are,
// and how many may be the answer to an exercise.
const (
	maxLooked  = 200
	maxAnswers = 20
)

// unclear is the error of an answer that is not marked, because what was found does not say
// which file it is.
type unclear struct{ reason string }

func (u *unclear) Error() string { return u.reason }

// handIn is what was found in a student's submission.
type handIn struct {
	*listing
	// named are the files with the name of an exercise, and packaged those of another name
	// whose package clause names one.
	named, packaged map[string][]file
	// notebooks are those whose names do not say what is in them, used those of them that
	// have answers, and opened those that were read, by path.
	notebooks []file
	used      map[string]bool
	opened    map[string]*notebook
	// all are the exercises that a notebook may answer, graded or not.
	all []task
	// others are files that are no answers.
	others []string
	// problem says why nothing of this is marked; it is "" if something may be.
	problem string
	notes   []string
	// told is whether the reason for a mark says what is astray.
	told bool
}

// collect finds the answers in a submission. The caller must call done.
func (s submission) collect(all []task) *handIn {
	h := &handIn{listing: s.list(), named: map[string][]file{}, packaged: map[string][]file{}, used: map[string]bool{},
		opened: map[string]*notebook{}, all: all, problem: s.problem}
	course := treesOf(h.files)
	owners := map[owner]bool{}
	looked, late := 0, ""
	for _, f := range h.files {
		if f.owner != (owner{}) {
			owners[f.owner] = true
		}
		if f.late && late == "" {
			late = f.path
		}
		base := path.Base(f.at)
		stem, kind := splitKind(base)
		exercise := exerciseOf(unnumbered(stem, f.numbered))
		switch {
		case course.ofCourse(f):
		case strings.HasSuffix(strings.ToLower(stem), "_test") && kind == "go", inFolder(f.at, "solution"), inFolder(f.at, "check"):
			h.others = append(h.others, f.path)
		case (kind == "go" || kind == "notebook") && exercise != "", kind == "" && f.problem != "" && exercise != "":
			h.named[exercise] = append(h.named[exercise], f)
		case kind == "notebook":
			h.notebooks = append(h.notebooks, f)
		case kind == "go" || kind == "text":
			if looked++; looked > maxLooked {
				h.others = append(h.others, f.path)
				continue
			}
			content, err := h.read(f, maxSource)
			switch name := packageOf(content); {
			case err != nil && kind == "go":
				h.astray = append(h.astray, err.Error())
			case exerciseOf(name) == name && name != "":
				h.packaged[name] = append(h.packaged[name], f)
			case kind == "go":
				h.astray = append(h.astray, shown(f.path)+": neither its name nor its package clause is that of an exercise")
			default:
				h.others = append(h.others, f.path)
			}
		case archiveEnding(base):
			h.astray = append(h.astray, shown(f.path)+" is an archive that is not opened; unpack it, or ask for a zip")
		case kind == "zip": // it has been opened, or its problem noted
		default:
			h.others = append(h.others, f.path)
		}
	}
	if late != "" {
		h.notes = append(h.notes, "handed in late, as the file name says: "+shown(late))
	}
	if len(owners) > 1 && h.problem == "" {
		var names []string
		for o := range owners {
			names = append(names, shown(o.name))
		}
		slices.Sort(names)
		h.problem = fmt.Sprintf("the folder has hand-ins of %d students: %s; grade that folder itself", len(owners), few(names, ", "))
	}
	return h
}

// inFolder reports whether a path has a folder of the given name in it.
func inFolder(at, folder string) bool {
	return slices.ContainsFunc(strings.Split(path.Dir(at), "/"), func(part string) bool { return strings.EqualFold(part, folder) })
}

// archiveEnding reports whether a file is an archive other than zip.
func archiveEnding(name string) bool {
	lower := strings.ToLower(name)
	return slices.ContainsFunc([]string{".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst"},
		func(ending string) bool { return strings.HasSuffix(lower, ending) })
}

// packageOf returns the name in a Go file's package clause, or "".
func packageOf(source []byte) string {
	file, err := parser.ParseFile(token.NewFileSet(), "", plainText(source), parser.PackageClauseOnly)
	if err != nil || file.Name == nil {
		return ""
	}
	return file.Name.Name
}

// hasAnswers reports whether anything was found that may be an answer.
func (h *handIn) hasAnswers() bool {
	return len(h.named) > 0 || len(h.packaged) > 0 || len(h.notebooks) > 0
}

// candidate is a file that may be the answer to an exercise, with its Go source.
type candidate struct {
	file
	source   []byte
	notebook bool
}

// sameAs reports whether two candidates have the same text.
func (c candidate) sameAs(other candidate) bool { return sameText(c.source, other.source) }

// declares reports whether a candidate has a function that the exercise asks for.
func (c candidate) declares(t task) bool {
	units, _, _, err := unitsOf(c.source)
	functions := asked(t)
	return err == nil && slices.ContainsFunc(units, func(u unit) bool { return functions[firstName(u)] != "" })
}

// answer returns the student's answer to the exercise. The error is fs.ErrNotExist if there
// is none, a *refusal if it cannot be accepted, and *unclear if it cannot be told.
func (h *handIn) answer(t task) ([]byte, error) {
	if h.problem != "" {
		return nil, &unclear{h.problem}
	}
	found, stub, failed := h.candidates(t, h.named[t.name])
	second, stubToo, failedToo := h.candidates(t, h.packaged[t.name])
	// Of the files of another name, those that have what the exercise asks for are answers as
	// well, and the others helpers, which are not read.
	var unread []candidate
	second = slices.DeleteFunc(second, func(c candidate) bool {
		if !c.declares(t) {
			unread = append(unread, c)
		}
		return !c.declares(t)
	})
	switch {
	case len(found) > 0:
		for _, c := range second {
			if !slices.ContainsFunc(found, c.sameAs) {
				found = append(found, c)
			}
		}
	case failed == nil && len(second) > 0:
		found, failed = second, failedToo
	case failed == nil: // an answer that lacks the function, for the compiler to say
		found, unread, failed = unread, nil, failedToo
	}
	if len(found) == 0 {
		found = h.fromNotebooks(t)
	}
	switch {
	case len(found) > 0:
	case failed != nil:
		return nil, failed
	case stub || stubToo:
		return t.stub, nil
	default:
		return nil, h.missing()
	}
	// A source file is what the task asks for, so a notebook beside it is where it was tried.
	if slices.ContainsFunc(found, func(c candidate) bool { return !c.notebook }) {
		found = slices.DeleteFunc(found, func(c candidate) bool {
			if c.notebook {
				unread = append(unread, c)
			}
			return c.notebook
		})
	}
	best, err := newest(found)
	if err != nil {
		return nil, err
	}
	if failed != nil {
		h.notes = append(h.notes, failed.Error())
	}
	if len(found) > 1 {
		h.notes = append(h.notes, fmt.Sprintf("of %d attempts at %s the newest is marked: %s", len(found), t.name, shown(best.path)))
	}
	if len(unread) > 0 {
		h.notes = append(h.notes, fmt.Sprintf("an answer is one file: of %s, only %s is read, not %s", t.name, shown(best.path), few(paths(unread), ", ")))
	}
	if best.notebook {
		h.notes = append(h.notes, fmt.Sprintf("the answer to %s is taken from the cells of %s", t.name, shown(best.path)))
	}
	return best.source, nil
}

// candidates reads the files that may be the answer to an exercise. It leaves out the stub,
// reporting whether it was there, and all but one of those with the same text. failed is why
// the first that cannot be used cannot.
func (h *handIn) candidates(t task, files []file) (found []candidate, stub bool, failed error) {
	for i, f := range files {
		if i == maxAnswers {
			return nil, stub, &unclear{fmt.Sprintf("more than %d files may be the answer, such as %s", maxAnswers, few(filePaths(files[:2]), " and "))}
		}
		c, err := h.candidate(t, f)
		switch {
		case err != nil:
			failed = cmp.Or(failed, err)
		case sameText(c.source, t.stub):
			stub = true
		case !slices.ContainsFunc(found, c.sameAs):
			found = append(found, c)
		}
	}
	return found, stub, failed
}

// candidate reads a file that should have the answer to an exercise.
func (h *handIn) candidate(t task, f file) (candidate, error) {
	if _, kind := splitKind(path.Base(f.at)); kind != "notebook" {
		source, err := h.read(f, maxSource)
		return candidate{file: f, source: plainText(source)}, err
	}
	n, err := h.notebook(f)
	if err != nil {
		return candidate{}, err
	}
	source, err := n.answer(t)
	if err != nil {
		return candidate{}, &unclear{shown(f.path) + ": " + err.Error()}
	}
	return candidate{f, source, true}, nil
}

// notebook reads a notebook.
func (h *handIn) notebook(f file) (*notebook, error) {
	if n := h.opened[f.path]; n != nil {
		return n, nil
	}
	content, err := h.read(f, maxNotebook)
	if err != nil {
		return nil, err
	}
	n, err := readNotebook(content)
	if err != nil {
		return nil, &unclear{shown(f.path) + ": " + err.Error()}
	}
	h.opened[f.path] = n
	return n, nil
}

// fromNotebooks returns the answers to an exercise in notebooks whose names do not say what is
// in them.
func (h *handIn) fromNotebooks(t task) []candidate {
	var found []candidate
	for i, f := range h.notebooks {
		if i == maxAnswers {
			break
		}
		n, err := h.notebook(f)
		if err != nil || !n.answersTo(t, h.all) {
			continue
		}
		if source, err := n.answer(t); err == nil {
			found = append(found, candidate{f, source, true})
			h.used[f.path] = true
		}
	}
	return found
}

// newest returns the only candidate or, if all are numbered attempts, the newest.
func newest(found []candidate) (candidate, error) {
	best := found[0]
	series, last := best.attempt()
	clear := last != ""
	for _, c := range found[1:] {
		s, number := c.attempt()
		clear = clear && s == series && number != "" && number != last
		if number > last {
			best, last = c, number
		}
	}
	if len(found) > 1 && !clear {
		return best, &unclear{fmt.Sprintf("there are %d different answers, and nothing says which one to mark: %s", len(found), few(paths(found), ", "))}
	}
	return best, nil
}

// attempt returns the number of an attempt, as text that sorts by number, and the path
// without it; the number is "" if the path does not say it clearly.
func (f file) attempt() (series, number string) {
	pad := func(digits string) string { return strings.Repeat("0", max(0, 12-len(digits))) + digits }
	if f.date != "" {
		return f.at, f.date
	}
	expression := attemptNumber
	if f.numbered {
		expression = dashedAttempt
	}
	all := expression.FindAllStringSubmatchIndex(f.at, -1)
	if f.numbered && len(all) == 0 {
		return f.at, pad("")
	}
	if len(all) != 1 {
		return "", ""
	}
	m := all[0]
	return f.at[:m[2]-1] + f.at[m[3]:], pad(f.at[m[2]:m[3]])
}

// missing returns the error for an exercise without an answer.
func (h *handIn) missing() error {
	reasons := h.unsolved()
	if len(reasons) == 0 && !h.hasAnswers() && len(h.others) > 0 {
		var names []string
		for _, name := range h.others {
			names = append(names, shown(name))
		}
		reasons = []string{"found " + few(names, ", ") + ", but no file with the name or package of an exercise"}
	}
	if len(reasons) == 0 {
		return fs.ErrNotExist
	}
	h.told = true
	return &unclear{few(reasons, "; ")}
}

// unsolved returns what may hold an answer that cannot be found in it, with the reasons.
func (h *handIn) unsolved() []string {
	reasons := slices.Clone(h.astray)
	for _, f := range h.notebooks {
		if !h.used[f.path] {
			reasons = append(reasons, h.whyUnused(f))
		}
	}
	return reasons
}

// whyUnused says why a notebook was not used.
func (h *handIn) whyUnused(f file) string {
	if _, err := h.notebook(f); err != nil {
		return err.Error()
	}
	return shown(f.path) + ": its name is not that of an exercise, and its cells do not define the functions of exactly one"
}

// warning says what the teacher should know about a submission that no mark says.
func (h *handIn) warning() string {
	notes := h.notes
	if !h.told && h.problem == "" {
		if reasons := h.unsolved(); len(reasons) > 0 {
			notes = append(notes, few(reasons, "; "))
		}
	}
	return strings.Join(slices.Compact(notes), "; ")
}

// few joins up to three texts.
func few(texts []string, separator string) string {
	const most = 3
	if len(texts) > most {
		return strings.Join(texts[:most], separator) + fmt.Sprintf("%sand %d more", separator, len(texts)-most)
	}
	return strings.Join(texts, separator)
}

func paths(found []candidate) []string {
	var names []string
	for _, c := range found {
		names = append(names, shown(c.path))
	}
	return names
}

func filePaths(files []file) []string {
	var names []string
	for _, f := range files {
		names = append(names, shown(f.path))
	}
	return names
}
