// What this package uses of the PJRT C API (pjrt_c_api.h), written down anew because the header is in
// go-xla's module, where cgo does not find it. TestLayout compares it with the header.
//
// Every function takes a struct of arguments and returns an error or NULL. Structs that are alike
// have one type here.
#ifndef RESIDUAL_PJRT_H
#define RESIDUAL_PJRT_H

#include <stddef.h>
#include <stdint.h>

// The head of PJRT_Api, which is the same in all versions, and the functions that follow, whose
// number depends on the version.
typedef struct {
	size_t struct_size;
	void *extension_start;
	struct {
		size_t struct_size;
		void *extension_start;
		int major_version;
		int minor_version;
	} pjrt_api_version;
	void *functions[];
} residual_api;

// The first two fields of all arguments.
#define RESIDUAL_HEAD    \
	size_t struct_size; \
	void *extension_start

// PJRT_Error_Destroy, PJRT_Executable_Destroy, PJRT_LoadedExecutable_Destroy.
typedef struct {
	RESIDUAL_HEAD;
	void *object;
} residual_object;

// PJRT_LoadedExecutable_GetExecutable, PJRT_Client_TopologyDescription, PJRT_Device_GetDescription.
typedef struct {
	RESIDUAL_HEAD;
	void *object;
	void *part; // out
} residual_part;

// PJRT_Client_PlatformName, PJRT_Client_PlatformVersion, PJRT_Executable_Name, PJRT_DeviceDescription_Kind,
// PJRT_DeviceDescription_DebugString, and PJRT_Client_AddressableDevices, whose data are pointers.
typedef struct {
	RESIDUAL_HEAD;
	void *object;
	const void *data; // out
	size_t size;      // out
} residual_list;

// PJRT_Executable_Serialize, PJRT_TopologyDescription_Serialize.
typedef struct {
	RESIDUAL_HEAD;
	void *object;
	const void *data;        // out
	size_t size;             // out
	void *owner;             // out
	void (*deleter)(void *); // out
} residual_serialize;

// PJRT_Executable_GetCompiledMemoryStats.
typedef struct {
	RESIDUAL_HEAD;
	void *object;
	int64_t bytes[15]; // out
} residual_memory;

// PJRT_Program.
typedef struct {
	RESIDUAL_HEAD;
	const char *code;
	size_t code_size;
	const char *format;
	size_t format_size;
} residual_program;

// PJRT_Client_Compile.
typedef struct {
	RESIDUAL_HEAD;
	void *client;
	const residual_program *program;
	const char *options;
	size_t options_size;
	void *executable; // out
} residual_compile;

// PJRT_Executable_DeserializeAndLoad.
typedef struct {
	RESIDUAL_HEAD;
	void *client;
	const void *data;
	size_t size;
	void *executable; // out
	const char *options; // or NULL for those it was compiled with
	size_t options_size;
} residual_load;

// PJRT_Client_Create, as far as its result.
typedef struct {
	RESIDUAL_HEAD;
	const void *options;
	size_t options_count;
	void *callbacks[4];
	void *client; // out
} residual_create;

// The places in the table of the functions that are called here.
enum {
	residual_error_destroy = 0,
	residual_client_create = 10,
	residual_client_platform_name = 12,
	residual_client_platform_version = 14,
	residual_client_addressable_devices = 16,
	residual_client_compile = 20,
	residual_device_description_kind = 26,
	residual_device_description_debug_string = 27,
	residual_device_get_description = 29,
	residual_executable_destroy = 40,
	residual_executable_name = 41,
	residual_executable_num_outputs = 44,
	residual_executable_serialize = 49,
	residual_loaded_executable_destroy = 50,
	residual_loaded_executable_get_executable = 51,
	residual_executable_deserialize_and_load = 56,
	residual_topology_description_serialize = 87,
	residual_client_topology_description = 95,
	residual_executable_get_compiled_memory_stats = 96,
};

// residual_call calls the function at the given place, and returns its error or NULL.
static inline void *residual_call(const residual_api *api, int place, void *args) {
	return ((void *(*)(void *))api->functions[place])(args);
}

// residual_ok calls the function at the given place, and returns whether it succeeded. Its error is
// discarded.
static inline int residual_ok(const residual_api *api, int place, void *args) {
	void *error = residual_call(api, place, args);
	if (error == NULL) {
		return 1;
	}
	residual_object destroy = {sizeof destroy, NULL, error};
	residual_call(api, residual_error_destroy, &destroy);
	return 0;
}

#endif
