package torchfile

import (
	"archive/zip"
	"bytes"
	"maps"
	"math"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/residual-go/residual/pkg/internal/filetest"
)

func TestBuildersBuildWhatIsRead(t *testing.T) {
	pickle := oneTensor(1, []int64{2, 2}, []int64{1, 2})
	for name, file := range map[string][]byte{
		"zip":    archived(t, pickle, six),
		"legacy": legacy(pickle, 6, six),
	} {
		got, err := read.Bytes(file)
		if err != nil || !slices.Equal(got.Tensors["a"].Data, []float32{1, 3, 2, 4}) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestTensorsStayInTheirStorage(t *testing.T) {
	huge := []int64{1 << 20, 1 << 20}
	for name, test := range map[string]struct {
		pickle, want string
	}{
		"too large":           {oneTensor(0, []int64{7}, []int64{1}), "reaches outside its storage of 6 elements"},
		"a large stride":      {oneTensor(0, []int64{2, 3}, []int64{4, 1}), "a reaches outside"},
		"an offset":           {oneTensor(1, []int64{2, 3}, []int64{3, 1}), "a reaches outside"},
		"an offset alone":     {oneTensor(6, []int64{1}, []int64{1}), "a reaches outside"},
		"a negative offset":   {oneTensor(-1, []int64{2}, []int64{1}), "a reaches outside"},
		"a huge offset":       {oneTensor(math.MaxInt64, []int64{2}, []int64{1}), "a reaches outside"},
		"the least offset":    {oneTensor(math.MinInt64, []int64{2}, []int64{1}), "a reaches outside"},
		"a negative stride":   {oneTensor(5, []int64{6}, []int64{-1}), "a reaches outside"},
		"strides that wrap":   {oneTensor(0, []int64{3}, []int64{math.MaxInt64}), "a reaches outside"},
		"and again":           {oneTensor(0, []int64{2, 2}, []int64{math.MaxInt64, math.MaxInt64}), "a reaches outside"},
		"10^12, expanded":     {oneTensor(0, huge, []int64{0, 0}), "a is larger than its file"},
		"sizes that wrap":     {oneTensor(0, []int64{1 << 32, 1 << 32}, []int64{0, 0}), "a is larger than its file"},
		"a negative size":     {oneTensor(0, []int64{-1}, []int64{1}), "a has the impossible shape [-1]"},
		"two negative sizes":  {oneTensor(0, []int64{-2, -3}, []int64{3, 1}), "a has the impossible shape"},
		"empty, and huge":     {oneTensor(0, []int64{math.MaxInt64, 0}, []int64{1, 1}), "a is"},
		"fewer strides":       {oneTensor(0, []int64{2, 3}, []int64{1}), "shape [2 3] but strides [1]"},
		"more strides":        {oneTensor(0, []int64{2}, []int64{1, 1}), "shape [2] but strides [1 1]"},
		"a thousand axes":     {oneTensor(0, slices.Repeat([]int64{1}, 1000), slices.Repeat([]int64{1}, 1000)), "_rebuild_tensor_v2 with the wrong arguments"},
		"no storage":          {pickled(dictionary(text("a"), rebuilt("N", 0, []int64{1}, []int64{1}))), "_rebuild_tensor_v2 with the wrong arguments"},
		"a shape of text":     {pickled(dictionary(text("a"), name("torch._utils", "_rebuild_tensor")+tuple(stored("FloatStorage", "0", 6), integer(0), tuple(text("1")), tuple(integer(1)))+"R")), "_rebuild_tensor with the wrong arguments"},
		"too few arguments":   {pickled(name("torch._utils", "_rebuild_tensor_v2") + ")R"), "_rebuild_tensor_v2 with the wrong arguments"},
		"a storage of 10^12":  {pickled(dictionary(text("a"), rebuilt(stored("FloatStorage", "0", 1e12), 0, []int64{1}, []int64{1}))), "storage"},
		"a size that wraps":   {pickled(dictionary(text("a"), rebuilt(stored("FloatStorage", "0", 1<<62+6), 0, []int64{1}, []int64{1}))), "storage"},
		"a storage of -6":     {pickled(dictionary(text("a"), rebuilt(stored("FloatStorage", "0", -6), 0, []int64{1}, []int64{1}))), "a storage has no dtype, key or size"},
		"of two types":        {pickled(dictionary(text("a"), rebuilt(stored("FloatStorage", "0", 6), 0, []int64{1}, []int64{1}), text("b"), rebuilt(stored("HalfStorage", "0", 12), 0, []int64{1}, []int64{1}))), "storage 0 has two dtypes or sizes"},
		"a storage elsewhere": {pickled(dictionary(text("a"), rebuilt(stored("FloatStorage", "../0", 6), 0, []int64{1}, []int64{1}))), "a"},
		"a name of two lines": {pickled(dictionary(text("a\nb\x1b[2J"), rebuilt(stored("FloatStorage", "0", 6), 7, []int64{1}, []int64{1}))), `"a\nb\x1b[2J" reaches outside`},
	} {
		read.CheckRefusedCheaply(t, "zip, "+name, archived(t, test.pickle, six))
		read.CheckRefusedCheaply(t, "legacy, "+name, legacy(test.pickle, 6, six))
		if test.want == "a" || test.want == "storage" { // the two formats report it in different words
			continue
		}
		read.CheckRefusedCheaply(t, "zip, "+name, archived(t, test.pickle, six), test.want)
		read.CheckRefusedCheaply(t, "legacy, "+name, legacy(test.pickle, 6, six), test.want)
	}
}

// Tensors may share a storage, but the file cannot be made to hold more elements than bytes.
func TestTensorsOfOneStorage(t *testing.T) {
	var entries []string
	const count, size = 300, 4096
	for i := range count {
		entries = append(entries, text(strings.Repeat("a", i+1)), rebuilt(stored("FloatStorage", "0", size), 0, []int64{size}, []int64{1}))
	}
	storage := make([]byte, 4*size)
	twice := pickled(dictionary(entries[:4]...))
	if got, err := read.Bytes(archived(t, twice, storage)); err != nil || len(got.Tensors) != 2 {
		t.Errorf("two tensors of one storage: %v, %v", got, err)
	}
	all := pickled(dictionary(entries...))
	for name, file := range map[string][]byte{"zip": archived(t, all, storage), "legacy": legacy(all, size, storage)} {
		read.CheckRefusedCheaply(t, name, file, "is larger than its file")
	}
}

func TestPicklesRunNothing(t *testing.T) {
	for name, test := range map[string]struct{ body, want string }{
		"os.system":        {name("os", "system") + text("touch owned") + "\x85R", "asks for os.system, which no tensor needs, so the file is refused"},
		"posix.system":     {name("posix", "system") + text("touch owned") + "\x85R", "asks for posix.system, which"},
		"eval":             {text("builtins") + text("eval") + "\x93" + text("1") + "\x85R", "asks for builtins.eval, which"},
		"getattr":          {name("__builtin__", "getattr") + ")R", "asks for __builtin__.getattr, which"},
		"subprocess":       {name("subprocess", "Popen") + text("sh") + "\x85\x81", "asks for subprocess.Popen, which"},
		"in a checkpoint":  {dictionary(text("state_dict"), dictionary(), text("epoch"), name("os", "system")+")R"), "asks for os.system, which"},
		"without a call":   {name("torch", "load"), "asks for torch.load, which"},
		"a dotted name":    {text("torch") + text("os.system") + "\x93", "asks for torch.os.system, which"},
		"a name to print":  {text("os\n") + text("\x1b[2J") + "\x93", `asks for "os\n.\x1b[2J", which`},
		"a long name":      {text(strings.Repeat("os.", 1000)) + text("x") + "\x93", "…, which"},
		"a network":        {name("torchvision.models.resnet", "ResNet") + ")\x81", "a whole network, and only the program that defines the network can load it; in Python, save model.state_dict()"},
		"a network of old": {tuple(text("module"), text("x")) + "Q", "a whole network"},
		"a view of old":    {tuple(text("storage"), name("torch", "FloatStorage"), text("0"), text("cpu"), integer(6), tuple()) + "Q", "before version 0.4"},
		"calling text":     {text("os.system") + ")R", "it calls something that is not a function"},
		"calling a type":   {name("torch", "FloatStorage") + integer(1e12) + "\x85R", "it calls something that is not a function"},
		"calling a list":   {"])R", "it calls something that is not a function"},
		"calling a tensor": {rebuilt(stored("FloatStorage", "0", 6), 0, nil, nil) + ")R", "it calls something that is not a function"},
		"calling itself":   {"]q\x00h\x00ah\x00)R", "it calls something that is not a function"},
		"a changed tensor": {rebuilt(stored("FloatStorage", "0", 6), 0, nil, nil) + "}b", "it sets the state of an object that has none"},
		"a changed class":  {name("torch", "FloatStorage") + "}b", "it sets the state of an object that has none"},
		"a wrong id":       {text("storage") + "Q", "not a storage"},
		"an id in itself":  {"]q\x00h\x00ah\x00Q", "not a storage"},
		"a class of text":  {tuple(text("storage"), text("FloatStorage"), text("0"), text("cpu"), integer(6)) + "Q", "a storage has no dtype, key or size"},
		"a parameter":      {name("torch._utils", "_rebuild_parameter") + tuple(text("a")) + "R", "the wrong arguments"},
		"a torch.Size":     {name("torch", "Size") + text("a") + "\x85R", "the wrong arguments"},
		"pairs of one":     {name("collections", "OrderedDict") + "](" + tuple(text("a")) + "e\x85R", "not pairs"},
		"pairs of nothing": {name("collections", "OrderedDict") + integer(3) + "\x85R", "not a list"},
	} {
		read.CheckRefusedCheaply(t, "zip, "+name, archived(t, pickled(test.body), six), test.want)
		read.CheckRefusedCheaply(t, "legacy, "+name, legacy(pickled(test.body), 6, six), test.want)
	}
}

func TestPicklesWithoutAnEnd(t *testing.T) {
	const depth = 20_000
	laughs := "N" + strings.Repeat("2\x86", 64)
	for name, test := range map[string]struct{ body, want string }{
		"a list in itself":           {"]q\x00h\x00a", "a value of type list"},
		"a dict in itself":           {"}q\x00" + text("model") + "h\x00s", "no state dict"},
		"deep lists":                 {strings.Repeat("]", depth) + strings.Repeat("a", depth-1), "a value of type list"},
		"pairs of pairs":             {laughs, "a value of type tuple"},
		"a shape of pairs":           {dictionary(text("a"), name("torch._utils", "_rebuild_tensor")+tuple(stored("FloatStorage", "0", 6), integer(0), laughs, laughs)+"R"), "the wrong arguments"},
		"an OrderedDict of itself":   {name("collections", "OrderedDict") + "]q\x00h\x00a\x85R", "not pairs"},
		"the same name, many times":  {dictionary(slices.Repeat([]string{text("a"), "N"}, depth/10)...), "no state dict"},
		"keys that are no one line":  {dictionary(text("a\nb"), "N"), `"a\nb" (None)`},
		"more keys than in one line": {dictionary(manyKeys(40)...), "…"},
	} {
		read.CheckRefusedCheaply(t, "zip, "+name, archived(t, pickled(test.body), six), test.want)
		read.CheckRefusedCheaply(t, "legacy, "+name, legacy(pickled(test.body), 6, six), test.want)
	}
}

// A pickle can ask for something costly again and again.
func TestPicklesThatRepeatThemselves(t *testing.T) {
	const size, times = 20_000, 20_000
	numbers := tuple(slices.Repeat([]string{"K\x01"}, size)...) + "q\x010"
	storage := stored("FloatStorage", "0", 6) + "q\x020" + name("torch._utils", "_rebuild_tensor") + "q\x030"
	tensors := numbers + storage + "]" + strings.Repeat("h\x03(h\x02K\x00h\x01h\x01tRa", times)
	read.CheckRefusedCheaply(t, "tensors of many axes", archived(t, pickled(tensors), six), "the wrong arguments")

	pairs := name("collections", "OrderedDict") + "q\x010]("
	for i := range size {
		pairs += text(string(rune(i))) + "N\x86"
	}
	pairs += "e\x85q\x020]" + strings.Repeat("h\x01h\x02Ra", times)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := read.Bytes(archived(t, pickled(pairs), six))
	runtime.ReadMemStats(&after)
	filetest.CheckRefused(t, "dicts of many entries", err, "more than 1048576 entries")
	if used := after.TotalAlloc - before.TotalAlloc; used > 512<<20 {
		t.Errorf("dicts of many entries: %d bytes were allocated", used)
	}
}

// Before version 0.4 a state dict held parameters, and in Python 2 it was made from a list of pairs.
func TestReadReadsTheOldestParameters(t *testing.T) {
	tensor := name("torch._utils", "_rebuild_tensor") + tuple(stored("FloatStorage", "0", 6), integer(1), integers64([]int64{2}), integers64([]int64{2})) + "R"
	value := name("torch.nn.parameter", "Parameter") + tensor + "\x85R" + tuple("\x88", "\x89", name("collections", "OrderedDict")+"]\x85R") + "b"
	for what, pair := range map[string]string{"tuples": "U\x01a" + value + "\x86", "lists": "](U\x01a" + value + "e"} {
		state := pickled(name("collections", "OrderedDict") + "]" + pair + "a\x85R")
		got, err := read.Bytes(legacy(state, 6, six))
		if err != nil || !slices.Equal(got.Tensors["a"].Data, []float32{1, 3}) {
			t.Errorf("%s: %v, %v", what, got, err)
		}
	}
}

// Some checkpoints have more than one state dict, of a model and of its average for instance.
// It is always the same one that is read.
func TestReadLooksForStateDictsInOrder(t *testing.T) {
	one := func(offset int64) string { // of one tensor, whose value is its offset
		return dictionary(text("a"), rebuilt(stored("FloatStorage", "0", 6), offset, []int64{1}, []int64{1}))
	}
	entries := []string{text("a"), rebuilt(stored("FloatStorage", "0", 6), 0, []int64{1}, []int64{1})}
	for i, key := range []string{"", "model_state_dict", "model", "state_dict"} { // each has priority over the previous ones
		if key != "" {
			entries = append(entries, text(key), one(int64(i)))
		}
		got, err := read.Bytes(archived(t, pickled(dictionary(entries...)), six))
		if err != nil || !slices.Equal(got.Tensors["a"].Data, []float32{float32(i)}) {
			t.Errorf("with %q: %v, %v, want %d", key, got, err, i)
		}
	}
}

// In a zip archive every byte of the tensors and of the pickle is verified.
func TestReadChecksTheArchive(t *testing.T) {
	whole := filetest.Format(t, "checkpoint-model.pth")
	want, err := read.Bytes(whole)
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		flipped := bytes.Clone(whole)
		flipped[i] ^= 1 << (i % 8)
		got, err := read.Bytes(flipped)
		if err != nil {
			filetest.CheckRefused(t, "a flipped bit", err)
		} else if !reflect.DeepEqual(got.Tensors, want.Tensors) || !maps.Equal(got.Counters, want.Counters) {
			t.Errorf("bit %d of byte %d was flipped and read as something else", i%8, i)
		}
	}
}

func manyKeys(count int) (entries []string) {
	for i := range count {
		entries = append(entries, text(strings.Repeat("k", i+100)), "N")
	}
	return entries
}

func TestArchivesAreWhatTheySay(t *testing.T) {
	good := oneTensor(0, []int64{6}, []int64{1})
	pickle, storage := entry{name: "x/data.pkl", content: good}, entry{name: "x/data/0", content: string(six)}
	change := func(e entry, change func(h *zip.FileHeader)) entry { e.change = change; return e }
	for name, test := range map[string]struct {
		entries []entry
		want    string
	}{
		"no pickle":             {[]entry{storage}, "it has no data.pkl"},
		"a document":            {[]entry{{name: "[Content_Types].xml"}}, "it has no data.pkl"},
		"a model of Keras":      {[]entry{{name: "model.weights.h5"}}, "Keras"},
		"no storage":            {[]entry{pickle}, "a: damaged: its storage, data/0, is missing"},
		"a short storage":       {[]entry{pickle, {name: "x/data/0", content: string(six[:23])}}, "should have 6 elements of 4 bytes and has 23 bytes"},
		"a long storage":        {[]entry{pickle, {name: "x/data/0", content: string(six) + "more"}}, "and has 28 bytes"},
		"a pickle twice":        {[]entry{pickle, storage, pickle}, "has x/data.pkl twice"},
		"a storage twice":       {[]entry{pickle, storage, storage}, "has x/data/0 twice"},
		"two folders":           {[]entry{pickle, storage, {name: "y/data.pkl", content: good}}, "two data.pkl"},
		"a way out":             {[]entry{pickle, storage, {name: "../../etc/passwd"}}, "is called ../../etc/passwd"},
		"another":               {[]entry{pickle, storage, {name: "x/../../y"}}, "is called x/../../y"},
		"from the root":         {[]entry{pickle, storage, {name: "/etc/passwd"}}, "is called /etc/passwd"},
		"on Windows":            {[]entry{pickle, storage, {name: `C:\x`}}, "is called"},
		"big-endian":            {[]entry{pickle, storage, {name: "x/byteorder", content: "big"}}, "byte order is big, want little"},
		"an odd byte order":     {[]entry{pickle, storage, {name: "x/byteorder", content: strings.Repeat("little", 9)}}, "want at most 16"},
		"TorchScript":           {[]entry{pickle, storage, {name: "x/constants.pkl"}}, "TorchScript"},
		"TorchScript's code":    {[]entry{pickle, storage, {name: "x/code/__torch__.py"}}, "TorchScript"},
		"damaged":               {[]entry{pickle, change(storage, func(h *zip.FileHeader) { h.CRC32++ })}, "the checksum of x/data/0 does not match"},
		"a damaged pickle":      {[]entry{change(pickle, func(h *zip.FileHeader) { h.CRC32++ }), storage}, "the checksum of x/data.pkl does not match"},
		"compressed":            {[]entry{change(pickle, func(h *zip.FileHeader) { h.Method = zip.Deflate }), storage}, "x/data.pkl is compressed"},
		"a bomb":                {[]entry{pickle, change(storage, func(h *zip.FileHeader) { h.Method = zip.Deflate; h.UncompressedSize64 = 1 << 40 })}, "x/data/0 is compressed"},
		"larger than its entry": {[]entry{pickle, change(storage, func(h *zip.FileHeader) { h.UncompressedSize64 = 1 << 40 })}, "is compressed"},
		"larger than the file":  {[]entry{pickle, change(storage, func(h *zip.FileHeader) { h.UncompressedSize64, h.CompressedSize64 = 1<<40, 1<<40 })}, "past its end"},
		"2**63 bytes":           {[]entry{pickle, change(storage, func(h *zip.FileHeader) { h.UncompressedSize64, h.CompressedSize64 = 1<<63, 1<<63 })}, "past its end"},
		"a huge pickle":         {[]entry{change(pickle, func(h *zip.FileHeader) { h.UncompressedSize64, h.CompressedSize64 = 1<<40, 1<<40 }), storage}, "past its end"},
		"encrypted":             {[]entry{pickle, change(storage, func(h *zip.FileHeader) { h.Flags = 1 })}, "encrypted"},
	} {
		read.CheckRefusedCheaply(t, name, zipped(t, test.entries...), test.want)
	}
	order := entry{name: "x/byteorder", content: "little"}
	if _, err := read.Bytes(zipped(t, pickle, storage, order, entry{name: "x/.data/serialization_id", content: "1"})); err != nil {
		t.Errorf("an archive of a newer version: %v", err)
	}
}

// Two entries may claim the same bytes, which would blow up a small file.
func TestEntriesDoNotOverlap(t *testing.T) {
	const size = 1 << 10
	var body []string
	for _, key := range []string{"0", "1"} {
		body = append(body, text(key), rebuilt(stored("FloatStorage", key, size), 0, []int64{1}, []int64{1}))
	}
	storage := string(make([]byte, 4*size))
	file := archived(t, pickled(dictionary(body...)), []byte(storage), entry{name: "x/data/1"})
	// Make the directory's entry of data/1 that of data/0, apart from the name.
	directory := bytes.LastIndex(file, []byte("PK\x01\x02"))
	first := bytes.LastIndex(file[:directory], []byte("PK\x01\x02"))
	copy(file[directory:directory+46], file[first:first+46])
	read.CheckRefusedCheaply(t, "two storages of the same bytes", file, "more bytes than the file")
}

func TestADirectoryOfTooManyEntries(t *testing.T) {
	var entries []entry
	for range 1500 {
		entries = append(entries, entry{name: strings.Repeat("a", 3000)})
	}
	read.CheckRefusedCheaply(t, "a directory of 4.5 MB", zipped(t, entries...), "its directory is too large")
}

func TestOldFilesAreWhatTheySay(t *testing.T) {
	good := oneTensor(0, []int64{6}, []int64{1})
	machine := pickled(dictionary(text("little_endian"), "\x88"))
	for name, test := range map[string]struct {
		file []byte
		want string
	}{
		"another magic number":  {[]byte("\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x18." + legacyProtocol), "not one that torch.save wrote"},
		"another protocol":      {[]byte(legacyMagic + "\x80\x02M\xea\x03."), "an unknown protocol"},
		"big-endian":            {[]byte(legacyMagic + legacyProtocol + pickled(dictionary(text("little_endian"), "\x89")) + good), "byte order is big"},
		"a storage of fewer":    {legacy(good, 5, six), "should have 6 elements and has 5"},
		"a storage of 2**63":    {legacy(good, 1<<63, six), "should have 6 elements"},
		"a missing number":      {legacy(good, 6, six[:20]), "cut short: storage 0 has 6 elements of 4 bytes, and 20 bytes are there"},
		"a number too many":     {legacy(good, 6, append(six[:24:24], 0, 0, 0, 0)), "4 bytes follow its last storage"},
		"no keys":               {[]byte(legacyMagic + legacyProtocol + machine + good + pickled("N")), "no list of its storages"},
		"an empty list of keys": {[]byte(legacyMagic + legacyProtocol + machine + good + pickled("]")), "its storage is missing"},
		"a key of no tensor":    {[]byte(legacyMagic + legacyProtocol + machine + good + pickled("]"+text("1")+"a")), "a storage that no tensor uses"},
		"a key of a number":     {[]byte(legacyMagic + legacyProtocol + machine + good + pickled("]K\x00a")), "a storage that no tensor uses"},
		"a key twice":           {append([]byte(legacyMagic+legacyProtocol+machine+good+pickled("](U\x010U\x010e")), append([]byte{6, 0, 0, 0, 0, 0, 0, 0}, six...)...), "storage 0 twice"},
	} {
		read.CheckRefusedCheaply(t, name, test.file, test.want)
	}
	huge := pickled(dictionary(text("a"), rebuilt(stored("FloatStorage", "0", 1e12), 0, []int64{1}, []int64{1})))
	read.CheckRefusedCheaply(t, "a storage of 10^12", legacy(huge, 1e12, six), "cut short: storage 0 has 1000000000000 elements")
	wraps := pickled(dictionary(text("a"), rebuilt(stored("FloatStorage", "0", 1<<62+6), 0, []int64{1}, []int64{1})))
	read.CheckRefusedCheaply(t, "a size that wraps", legacy(wraps, 1<<62+6, six), "cut short: storage 0")
}

// TestEveryTruncationIsRefused cuts files of PyTorch's at every length.
func TestEveryTruncationIsRefused(t *testing.T) {
	for _, name := range []string{"numbers.pth", "numbers-old.pth", "checkpoint-model.pth", "checkpoint-model-old.pth"} {
		whole := filetest.Format(t, name)
		for length := range whole {
			_, err := read.Bytes(whole[:length])
			filetest.CheckRefused(t, name, err)
		}
	}
}
