//go:build linux && (amd64 || arm64) && cgo && !noxla

package xla

/*
#cgo LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "pjrt.h"

// residual_open opens the library at path, never to close it, and returns its table, or NULL and
// a message. It is a single call because dlerror's message belongs to the thread.
static const residual_api *residual_open(const char *path, char *message, size_t size) {
	void *library = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
	if (library == NULL) {
		snprintf(message, size, "%s", dlerror());
		return NULL;
	}
	const residual_api *(*get)(void) = (const residual_api *(*)(void))dlsym(library, "GetPjrtApi");
	if (get == NULL) {
		snprintf(message, size, "%s", dlerror());
		return NULL;
	}
	const residual_api *api = get();
	if (api == NULL) {
		snprintf(message, size, "GetPjrtApi returned no table");
	}
	return api;
}

// residual_function returns the i-th function of the table.
static void *residual_function(const residual_api *api, size_t i) { return api->functions[i]; }

// residual_driver returns the CUDA version that the NVIDIA driver supports, 12040 for 12.4, or 0 if
// there is no libcuda.so.1, or -1 if it does not say. It starts nothing on a GPU.
static int residual_driver(void) {
	void *library = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
	if (library == NULL) {
		return 0;
	}
	int (*get)(int *) = (int (*)(int *))dlsym(library, "cuDriverGetVersion");
	int version = 0;
	if (get == NULL || get(&version) != 0 || version <= 0) {
		return -1;
	}
	return version;
}
*/
import "C"

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"unsafe"
)

// Linked reports whether XLA is part of this program.
const Linked = true

// The version of the C API that go-xla v0.4.2 is written for. A plugin of a different major version has
// a different layout. Minor versions append functions to the table.
const (
	major = 0
	minor = 104
)

// A function is a function of the PJRT C API, with its place in the table.
type function struct {
	place int
	name  string
}

// required lists the functions that go-xla's backend calls, by their place in the table. The last
// one determines how long the table must be.
var required = []function{
	{0, "PJRT_Error_Destroy"},
	{1, "PJRT_Error_Message"},
	{2, "PJRT_Error_GetCode"},
	{3, "PJRT_Plugin_Initialize"},
	{4, "PJRT_Plugin_Attributes"},
	{5, "PJRT_Event_Destroy"},
	{8, "PJRT_Event_Await"},
	{10, "PJRT_Client_Create"},
	{11, "PJRT_Client_Destroy"},
	{12, "PJRT_Client_PlatformName"},
	{13, "PJRT_Client_ProcessIndex"},
	{14, "PJRT_Client_PlatformVersion"},
	{16, "PJRT_Client_AddressableDevices"},
	{20, "PJRT_Client_Compile"},
	{21, "PJRT_Client_DefaultDeviceAssignment"},
	{22, "PJRT_Client_BufferFromHostBuffer"},
	{24, "PJRT_DeviceDescription_ProcessIndex"},
	{27, "PJRT_DeviceDescription_DebugString"},
	{29, "PJRT_Device_GetDescription"},
	{30, "PJRT_Device_IsAddressable"},
	{31, "PJRT_Device_LocalHardwareId"},
	{40, "PJRT_Executable_Destroy"},
	{41, "PJRT_Executable_Name"},
	{44, "PJRT_Executable_NumOutputs"},
	{50, "PJRT_LoadedExecutable_Destroy"},
	{51, "PJRT_LoadedExecutable_GetExecutable"},
	{55, "PJRT_LoadedExecutable_Execute"},
	{58, "PJRT_Buffer_Destroy"},
	{59, "PJRT_Buffer_ElementType"},
	{60, "PJRT_Buffer_Dimensions"},
	{65, "PJRT_Buffer_Device"},
	{69, "PJRT_Buffer_CopyToDevice"},
	{70, "PJRT_Buffer_ToHostBuffer"},
	{73, "PJRT_Buffer_UnsafePointer"},
	{93, "PJRT_Client_CreateViewOfDeviceBuffer"},
	{96, "PJRT_Executable_GetCompiledMemoryStats"},
}

// Plugin is an open plugin that go-xla can use.
type Plugin struct {
	file  fs.FileInfo
	table *table
}

// table is a plugin's table of functions, in the plugin's memory.
type table = C.residual_api

// Open opens the plugin at path and checks its table. A plugin is never closed, because its threads
// and registrations would outlive it. Opening it again is cheap.
func Open(path string) (*Plugin, error) {
	if err := Examine(path); err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read it: %w", err)
	}
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	var message [1024]C.char
	api := C.residual_open(name, &message[0], C.size_t(len(message)))
	if api == nil {
		return nil, fmt.Errorf("cannot open it: %s", strings.TrimPrefix(C.GoString(&message[0]), path+": "))
	}
	p := &Plugin{file: info, table: api}
	if err := p.check(); err != nil {
		return nil, err
	}
	return p, nil
}

// check compares the table with what go-xla needs.
func (p *Plugin) check() error {
	head := C.size_t(unsafe.Sizeof(*p.table))
	if p.table.struct_size < head {
		return fmt.Errorf("its table of functions has %d bytes, too few for a header; not a PJRT plugin, or damaged", p.table.struct_size)
	}
	if p.table.pjrt_api_version.major_version != major {
		return fmt.Errorf("it has PJRT API %s, want version %d, best %d.%d; install a plugin that fits go-xla v0.4.2", p.Version(), major, major, minor)
	}
	last := required[len(required)-1].place
	if have := p.functions(); have <= last {
		return fmt.Errorf("it has PJRT API %s with %d functions, want at least %d, best version %d.%d; install a newer plugin", p.Version(), have, last+1, major, minor)
	}
	for _, f := range required {
		if !p.has(f) {
			return fmt.Errorf("it has PJRT API %s without the function %s; install another plugin", p.Version(), f.name)
		}
	}
	return nil
}

// functions returns the number of functions in the table, whose head must be complete.
func (p *Plugin) functions() int {
	return int((p.table.struct_size - C.size_t(unsafe.Sizeof(*p.table))) / C.size_t(unsafe.Sizeof(uintptr(0))))
}

// has reports whether the table has the function.
func (p *Plugin) has(f function) bool {
	return f.place < p.functions() && C.residual_function(p.table, C.size_t(f.place)) != nil
}

// Version returns the version of the plugin's PJRT C API, such as 0.104.
func (p *Plugin) Version() string {
	return fmt.Sprintf("%d.%d", p.table.pjrt_api_version.major_version, p.table.pjrt_api_version.minor_version)
}

// Driver returns the CUDA version that the NVIDIA driver supports, in CUDA's encoding: 12040 for
// 12.4. It starts nothing on a GPU.
func Driver() (int, error) {
	switch version := int(C.residual_driver()); {
	case version == 0:
		return 0, ErrNoDriver
	case version < 0:
		return 0, errors.New("libcuda.so.1 does not report its version")
	default:
		return version, nil
	}
}
