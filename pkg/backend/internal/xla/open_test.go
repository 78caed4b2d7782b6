//go:build linux && (amd64 || arm64) && cgo && !noxla

package xla

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// calls matches go-xla's calls through the table, in Go and in its C code.
var calls = regexp.MustCompile(`(?:C\.call_|api->)(PJRT_\w+)\(`)

// goXLA returns the folder of go-xla's module.
func goXLA(t *testing.T) string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/gomlx/go-xla").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(dir))
}

// TestTable compares the functions' places and the version with go-xla's header.
func TestTable(t *testing.T) {
	program := "#include <stddef.h>\n#include <stdio.h>\n#include \"pjrt_c_api.h\"\nint main(void) {\n" +
		"printf(\"%d.%d\\n\", PJRT_API_MAJOR, PJRT_API_MINOR);\n"
	want := fmt.Sprintf("%d.%d\n", major, minor)
	for _, f := range slices.Concat(required, optional) {
		program += fmt.Sprintf("printf(\"%%zu %s\\n\", (offsetof(PJRT_Api, %s) - offsetof(PJRT_Api, PJRT_Error_Destroy)) / sizeof(void *));\n", f.name, f.name)
		want += fmt.Sprintf("%d %s\n", f.place, f.name)
	}
	program += "return offsetof(PJRT_Api, PJRT_Error_Destroy) == 2 * sizeof(size_t) + sizeof(PJRT_Api_Version) ? 0 : 1;\n}\n"

	if got := runC(t, program); got != want {
		t.Errorf("go-xla's header has\n%s, want\n%s", got, want)
	}
}

// runC compiles a C program that may include go-xla's header and ours, and returns what it prints.
func runC(t *testing.T, program string) string {
	t.Helper()
	cc, err := exec.Command("go", "env", "CC").Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	source := filepath.Join(dir, "table.c")
	if err := os.WriteFile(source, []byte(program), 0o644); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "table")
	if out, err := exec.Command(strings.TrimSpace(string(cc)), "-I", filepath.Join(goXLA(t), "pjrt"), "-I", ".", "-o", binary, source).CombinedOutput(); err != nil {
		t.Fatalf("compile: %v\n%s", err, out)
	}
	got, err := exec.Command(binary).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

// TestLayout compares the types and places in pjrt.h with go-xla's header.
func TestLayout(t *testing.T) {
	program := "#include <stdbool.h>\n#include <stdio.h>\n#include \"pjrt_c_api.h\"\n#include \"pjrt.h\"\nint main(void) {\n"
	for _, same := range []struct{ ours, theirs, fields string }{
		{"residual_object", "PJRT_Error_Destroy_Args", "object=error"},
		{"residual_object", "PJRT_Executable_Destroy_Args", "object=executable"},
		{"residual_object", "PJRT_LoadedExecutable_Destroy_Args", "object=executable"},
		{"residual_part", "PJRT_LoadedExecutable_GetExecutable_Args", "object=loaded_executable part=executable"},
		{"residual_part", "PJRT_Client_TopologyDescription_Args", "object=client part=topology"},
		{"residual_part", "PJRT_Device_GetDescription_Args", "object=device part=device_description"},
		{"residual_part", "PJRT_Executable_NumOutputs_Args", "object=executable part=num_outputs"},
		{"residual_list", "PJRT_Client_PlatformName_Args", "object=client data=platform_name size=platform_name_size"},
		{"residual_list", "PJRT_Client_PlatformVersion_Args", "object=client data=platform_version size=platform_version_size"},
		{"residual_list", "PJRT_Executable_Name_Args", "object=executable data=executable_name size=executable_name_size"},
		{"residual_list", "PJRT_DeviceDescription_Kind_Args", "object=device_description data=device_kind size=device_kind_size"},
		{"residual_list", "PJRT_DeviceDescription_DebugString_Args", "object=device_description data=debug_string size=debug_string_size"},
		{"residual_list", "PJRT_Client_AddressableDevices_Args", "object=client data=addressable_devices size=num_addressable_devices"},
		{"residual_serialize", "PJRT_Executable_Serialize_Args", "object=executable data=serialized_bytes size=serialized_bytes_size owner=serialized_executable deleter=serialized_executable_deleter"},
		{"residual_serialize", "PJRT_TopologyDescription_Serialize_Args", "object=topology data=serialized_bytes size=serialized_bytes_size owner=serialized_topology deleter=serialized_topology_deleter"},
		{"residual_memory", "PJRT_Executable_GetCompiledMemoryStats_Args", "object=executable bytes=generated_code_size_in_bytes"},
		{"residual_program", "PJRT_Program", "code=code code_size=code_size format=format format_size=format_size"},
		{"residual_compile", "PJRT_Client_Compile_Args", "client=client program=program options=compile_options options_size=compile_options_size executable=executable"},
		{"residual_load", "PJRT_Executable_DeserializeAndLoad_Args", "client=client data=serialized_executable size=serialized_executable_size executable=loaded_executable options=overridden_serialized_compile_options options_size=overridden_serialized_compile_options_size"},
		{"residual_create", "PJRT_Client_Create_Args", "options=create_options options_count=num_options callbacks=kv_get_callback client=client"},
	} {
		if same.ours != "residual_create" { // whose end is left out
			program += fmt.Sprintf("if (sizeof(%s) != %s_STRUCT_SIZE) puts(\"size of %s\");\n", same.ours, same.theirs, same.theirs)
		}
		for field := range strings.FieldsSeq("struct_size=struct_size extension_start=extension_start " + same.fields) {
			ours, theirs, _ := strings.Cut(field, "=")
			program += fmt.Sprintf("if (offsetof(%s, %s) != offsetof(%s, %s)) puts(\"%s of %s\");\n", same.ours, ours, same.theirs, theirs, theirs, same.theirs)
			if ours != "bytes" && ours != "callbacks" { // several fields in one
				program += fmt.Sprintf("if (sizeof ((%s *)0)->%s != sizeof ((%s *)0)->%s) puts(\"size of %s of %s\");\n", same.ours, ours, same.theirs, theirs, theirs, same.theirs)
			}
		}
	}
	for place, name := range map[string]string{
		"error_destroy": "Error_Destroy", "client_create": "Client_Create", "client_platform_name": "Client_PlatformName",
		"client_platform_version": "Client_PlatformVersion", "client_addressable_devices": "Client_AddressableDevices",
		"client_compile": "Client_Compile", "device_description_kind": "DeviceDescription_Kind",
		"device_description_debug_string": "DeviceDescription_DebugString", "device_get_description": "Device_GetDescription",
		"executable_destroy": "Executable_Destroy", "executable_name": "Executable_Name", "executable_num_outputs": "Executable_NumOutputs",
		"executable_serialize": "Executable_Serialize", "loaded_executable_destroy": "LoadedExecutable_Destroy",
		"loaded_executable_get_executable":     "LoadedExecutable_GetExecutable",
		"executable_deserialize_and_load":      "Executable_DeserializeAndLoad",
		"topology_description_serialize":       "TopologyDescription_Serialize",
		"client_topology_description":          "Client_TopologyDescription",
		"executable_get_compiled_memory_stats": "Executable_GetCompiledMemoryStats",
	} {
		program += fmt.Sprintf("if (offsetof(residual_api, functions) + residual_%s * sizeof(void *) != offsetof(PJRT_Api, PJRT_%s)) puts(\"place of %s\");\n", place, name, name)
	}
	if wrong := runC(t, program+"}\n"); wrong != "" {
		t.Errorf("pjrt.h differs from go-xla's header in\n%s", wrong)
	}
}

// TestRequired checks that required lists every function that go-xla calls through the table, except
// those that its backend does not need.
func TestRequired(t *testing.T) {
	unneeded := map[string]bool{"PJRT_Client_Devices": true, "PJRT_Buffer_Bitcast": true}
	listed := map[string]bool{}
	for _, f := range required {
		listed[f.name] = true
	}
	files, err := filepath.Glob(filepath.Join(goXLA(t), "pjrt/*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("go-xla's files: %d, %v", len(files), err)
	}
	found := 0
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, match := range calls.FindAllStringSubmatch(string(source), -1) {
			name := match[1]
			found++
			if !listed[name] && !unneeded[name] {
				t.Errorf("%s calls %s, which required does not list", filepath.Base(file), name)
			}
		}
	}
	if found < len(required) {
		t.Errorf("found %d calls in go-xla, fewer than the %d required", found, len(required))
	}
}

func TestExamineDoesNotWaitForPipes(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "plugin.so")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip("skipping: no pipes here:", err)
	}
	answer := make(chan error, 1)
	go func() { answer <- Examine(pipe) }()
	select {
	case err := <-answer:
		if err == nil || err.Error() != "not a regular file" {
			t.Errorf("Examine of a pipe: error %v, want \"not a regular file\"", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("Examine waits for a writer to the pipe")
	}
}
