//go:build linux && (amd64 || arm64) && cgo && !noxla

package xla

/*
#include <stdlib.h>
#include <string.h>

#include "pjrt.h"

extern void *residualCreate(residual_create *args);
extern void *residualCompile(residual_compile *args);

// residual_hook returns a copy of the table in which creating a client and compiling a program are ours.
static inline residual_api *residual_hook(const residual_api *api) {
	residual_api *copy = malloc(api->struct_size);
	if (copy == NULL) {
		return NULL;
	}
	memcpy(copy, api, api->struct_size);
	copy->functions[residual_client_create] = (void *)residualCreate;
	copy->functions[residual_client_compile] = (void *)residualCompile;
	return copy;
}

// residual_get returns the part that the function at the given place has for an object, or NULL.
static inline void *residual_get(const residual_api *api, int place, void *object) {
	residual_part args = {sizeof args, NULL, object};
	return residual_ok(api, place, &args) ? args.part : NULL;
}

// residual_ask returns what the function at the given place lists for an object. It fails with data NULL.
static inline residual_list residual_ask(const residual_api *api, int place, void *object) {
	residual_list args = {sizeof args, NULL, object};
	if (!residual_ok(api, place, &args)) {
		args.data = NULL;
		args.size = 0;
	}
	return args;
}

// residual_bytes serializes an object with the function at the given place. It fails with data NULL;
// otherwise the caller must call residual_release.
static inline residual_serialize residual_bytes(const residual_api *api, int place, void *object) {
	residual_serialize args = {sizeof args, NULL, object};
	if (!residual_ok(api, place, &args)) {
		args.data = NULL;
	}
	return args;
}

static inline void residual_release(residual_serialize *bytes) {
	if (bytes->deleter != NULL) {
		bytes->deleter(bytes->owner);
	}
}

// residual_drop destroys an object with the function at the given place.
static inline void residual_drop(const residual_api *api, int place, void *object) {
	residual_object args = {sizeof args, NULL, object};
	residual_ok(api, place, &args);
}

// residual_restore loads an executable from data, and returns it or NULL. It asks of it what go-xla asks of
// every new executable, because go-xla would fail if one of these failed.
static inline void *residual_restore(const residual_api *api, void *client, const void *data, size_t size) {
	residual_load args = {sizeof args, NULL, client, data, size};
	if (!residual_ok(api, residual_executable_deserialize_and_load, &args)) {
		return NULL;
	}
	int usable = 0;
	void *executable = residual_get(api, residual_loaded_executable_get_executable, args.executable);
	if (executable != NULL) {
		residual_memory memory = {sizeof memory, NULL, executable};
		usable = residual_ask(api, residual_executable_name, executable).data != NULL &&
			residual_ok(api, residual_executable_num_outputs, &(residual_part){sizeof(residual_part), NULL, executable}) &&
			residual_ok(api, residual_executable_get_compiled_memory_stats, &memory);
		residual_drop(api, residual_executable_destroy, executable);
	}
	if (!usable) {
		residual_drop(api, residual_loaded_executable_destroy, args.executable);
		return NULL;
	}
	return args.executable;
}
*/
import "C"

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/residual-go/residual/pkg/backend/internal/programs"
)

// Compiling for XLA takes seconds, and for a large network on a GPU a minute. JAX keeps what was
// compiled for the next process, with two functions of the PJRT C API that go-xla does not use, and so
// do we: go-xla is given a copy of the plugin's table in which PJRT_Client_Compile is residualCompile.

// version is part of all keys. It changes when what is kept changes.
const version = "1"

// optional lists the functions that keeping programs needs besides the required ones. A plugin without them
// compiles every time.
var optional = []function{
	{C.residual_device_description_kind, "PJRT_DeviceDescription_Kind"},
	{C.residual_executable_serialize, "PJRT_Executable_Serialize"},
	{C.residual_executable_deserialize_and_load, "PJRT_Executable_DeserializeAndLoad"},
	{C.residual_topology_description_serialize, "PJRT_TopologyDescription_Serialize"},
	{C.residual_client_topology_description, "PJRT_Client_TopologyDescription"},
}

// client is a client of a plugin, and what is known of it.
type client struct {
	plugin *Plugin
	cache  *Cache // nil if programs are not kept

	once   sync.Once
	prefix []byte // what the keys of all its programs begin with; nil if programs are not kept
}

// clients maps a plugin's clients, as addresses, to ours. Clients that are gone stay, until a new one
// gets the address.
var clients sync.Map

// starting is the client that is being created. registered's lock protects it.
var starting *client

// counted are the numbers that [Programs] returns.
var counted struct{ compiled, loaded atomic.Int64 }

// unkept is what [Unkept] returns.
var unkept struct {
	sync.Mutex
	n    int64
	last error
}

// hook returns the table for go-xla.
func (p *Plugin) hook() (unsafe.Pointer, error) {
	table := C.residual_hook(p.table) // as permanent as the plugin
	if table == nil {
		return nil, errors.New("no memory for its table of functions")
	}
	return unsafe.Pointer(table), nil
}

// client returns what is known of a new client.
func (p *Plugin) client(cache *Cache) *client {
	for _, f := range optional {
		if !p.has(f) {
			cache = nil
		}
	}
	return &client{plugin: p, cache: cache}
}

// Programs returns how many programs this process has compiled, and how many it has loaded instead.
func Programs() (compiled, loaded int64) { return counted.compiled.Load(), counted.loaded.Load() }

// Unkept returns how many times keeping a program of this process failed, and the error of the last time.
func Unkept() (n int64, last error) {
	unkept.Lock()
	defer unkept.Unlock()
	return unkept.n, unkept.last
}

// residualCreate is PJRT_Client_Create in the tables that go-xla has. It notes whose client it is.
//
//export residualCreate
func residualCreate(args *C.residual_create) unsafe.Pointer {
	c := starting // go-xla creates clients only while Backend holds the lock
	if err := C.residual_call(c.plugin.table, C.residual_client_create, unsafe.Pointer(args)); err != nil {
		return err
	}
	clients.Store(uintptr(args.client), c)
	return nil
}

// residualCompile is PJRT_Client_Compile in the tables that go-xla has.
//
//export residualCompile
func residualCompile(args *C.residual_compile) unsafe.Pointer {
	found, _ := clients.Load(uintptr(args.client))
	return found.(*client).compile(args)
}

// compile makes the executable for a program: the one that was kept or, if there is none or it does not
// load, a new one. It returns the plugin's error. Whatever goes wrong with keeping, the program runs.
func (c *client) compile(args *C.residual_compile) unsafe.Pointer {
	key, keep := c.key(args)
	var folder programs.Folder
	if keep {
		folder = programs.Folder{Path: c.cache.Folder, Limit: c.cache.Limit}
		if c.load(folder, key, args) {
			counted.loaded.Add(1)
			return nil
		}
	}
	began := time.Now()
	if err := C.residual_call(c.plugin.table, C.residual_client_compile, unsafe.Pointer(args)); err != nil {
		return err
	}
	counted.compiled.Add(1)
	if keep && time.Since(began) >= c.cache.Least {
		// At once, because the process may end at any time. Serializing takes 3% of the time for
		// compiling, and writing much less.
		c.save(folder, key, args.executable)
	}
	return nil
}

// load loads the program with the given key, if it is in the folder.
func (c *client) load(folder programs.Folder, key programs.Key, args *C.residual_compile) bool {
	program, err := folder.Read(key)
	if err != nil || len(program) == 0 {
		return false
	}
	args.executable = C.residual_restore(c.plugin.table, args.client, unsafe.Pointer(unsafe.SliceData(program)), C.size_t(len(program)))
	return args.executable != nil
}

// save writes the program to the folder, if the plugin can serialize it.
func (c *client) save(folder programs.Folder, key programs.Key, loaded unsafe.Pointer) {
	executable := C.residual_get(c.plugin.table, C.residual_loaded_executable_get_executable, loaded)
	if executable == nil {
		return
	}
	defer C.residual_drop(c.plugin.table, C.residual_executable_destroy, executable)
	program := C.residual_bytes(c.plugin.table, C.residual_executable_serialize, executable)
	if program.data == nil {
		return
	}
	defer C.residual_release(&program)
	// An error only means that the next process compiles the program again.
	if err := folder.Write(key, unsafe.Slice((*byte)(program.data), program.size)); err != nil {
		unkept.Lock()
		defer unkept.Unlock()
		unkept.n, unkept.last = unkept.n+1, err
	}
}

// key returns the key of a program, and whether it should be kept.
func (c *client) key(args *C.residual_compile) (programs.Key, bool) {
	if c.cache == nil {
		return programs.Key{}, false
	}
	c.once.Do(func() { c.prefix = c.describe(args.client) })
	if c.prefix == nil {
		return programs.Key{}, false
	}
	h := sha256.New()
	h.Write(c.prefix)
	addBytes(h, unsafe.Pointer(args.program.format), args.program.format_size)
	addBytes(h, unsafe.Pointer(args.program.code), args.program.code_size)
	addBytes(h, unsafe.Pointer(args.options), args.options_size)
	return programs.Key(h.Sum(nil)), true
}

// describe returns everything besides the program and its options on which the code depends: the plugin,
// XLA's flags, the devices, and the processor, for which XLA's CPU plugin compiles and by whose cores it
// divides the work. It returns nil if programs must not be kept.
func (c *client) describe(of unsafe.Pointer) []byte {
	flags := os.Getenv("XLA_FLAGS")
	if strings.Contains(flags, "xla_dump") { // who asks for dumps wants to see the compiler work
		return nil
	}
	var b bytes.Buffer
	file := c.plugin.file
	for _, text := range append([]string{
		version, c.plugin.Version(), fmt.Sprint(file.Size()), fmt.Sprint(file.ModTime().UnixNano()), flags,
		processor(), fmt.Sprint(runtime.NumCPU()),
	}, c.cache.Of...) {
		add(&b, []byte(text))
	}
	table := c.plugin.table
	ask := func(place C.int, object unsafe.Pointer) {
		list := C.residual_ask(table, place, object)
		addBytes(&b, list.data, list.size)
	}
	ask(C.residual_client_platform_name, of)
	ask(C.residual_client_platform_version, of)
	devices := C.residual_ask(table, C.residual_client_addressable_devices, of)
	for _, device := range unsafe.Slice((*unsafe.Pointer)(devices.data), devices.size) {
		if description := C.residual_get(table, C.residual_device_get_description, device); description != nil {
			ask(C.residual_device_description_kind, description)
			ask(C.residual_device_description_debug_string, description)
		}
	}
	// The topology of a GPU has its properties and the version of cuDNN. JAX's keys contain it too. Not all
	// plugins have one.
	if topology := C.residual_get(table, C.residual_client_topology_description, of); topology != nil {
		if serialized := C.residual_bytes(table, C.residual_topology_description_serialize, topology); serialized.data != nil {
			addBytes(&b, serialized.data, serialized.size)
			C.residual_release(&serialized)
		}
	}
	return b.Bytes()
}

// add writes the length of data and data, so that no two lists of fields are written alike.
func add(w io.Writer, data []byte) {
	w.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(data))))
	w.Write(data)
}

func addBytes(w io.Writer, data unsafe.Pointer, size C.size_t) {
	add(w, unsafe.Slice((*byte)(data), size))
}

// processor describes this machine's processor: its model and its instructions.
func processor() string {
	content, _ := os.ReadFile("/proc/cpuinfo")
	first, _, _ := strings.Cut(string(content), "\n\n")
	var lines []string
	for line := range strings.Lines(first) {
		switch name, _, _ := strings.Cut(line, ":"); strings.TrimSpace(name) {
		case "vendor_id", "cpu family", "model", "model name", "stepping", "flags", // amd64
			"Features", "CPU implementer", "CPU variant", "CPU part", "CPU revision": // arm64
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}
