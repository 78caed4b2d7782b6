// A fake plugin for tests. It computes nothing. Macros change or break it:
//
//	MAJOR           the major version of its API
//	SIZE            the length of its table, in bytes
//	NO_ENTRY        there is no GetPjrtApi
//	NO_TABLE        GetPjrtApi returns NULL
//	NO_COMPILE      the table has no PJRT_Client_Compile
//	ABORT           PJRT_Client_Create aborts the process
//	CREATE_ERROR    PJRT_Client_Create returns this error
//	ECHO_OPTIONS    PJRT_Client_Create returns an error that lists the options
//	DEVICES         the number of devices
//	EXECUTES        programs compile, and run in no time: all their results are 0
//	SERIALIZES      with EXECUTES, executables can be serialized and loaded
//	SERIALIZE_ERROR with SERIALIZES, serializing fails
//	LOAD_ERROR      with SERIALIZES, loading fails
//	NO_LOADING      with EXECUTES, the table has no PJRT_Executable_DeserializeAndLoad
//	UNUSABLE        with SERIALIZES, a loaded executable does not tell how much memory it needs
//
// The plugin accepts buffers and discards their content. Without EXECUTES, compiling a program fails
// with UNIMPLEMENTED; before that, the program is written to the file named by the environment variable
// RESIDUAL_FAKE_PROGRAM, if it is set. With EXECUTES, "compile" or "load" is added to the file named by
// RESIDUAL_FAKE_LOG, if it is set, whenever the plugin does that; and compiling takes as long as the file
// named by RESIDUAL_FAKE_GATE exists, if that is set.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pjrt_c_api.h"

#ifndef MAJOR
#define MAJOR PJRT_API_MAJOR
#endif
#ifndef SIZE
#define SIZE sizeof(PJRT_Api)
#endif
#ifndef DEVICES
#define DEVICES 1
#endif

struct PJRT_Error {
	char message[1024];
	PJRT_Error_Code code;
};

struct PJRT_Client {
	int unused;
};

struct PJRT_Device {
	int id;
};

static PJRT_Error *fail(PJRT_Error_Code code, const char *message) {
	PJRT_Error *error = calloc(1, sizeof *error);
	snprintf(error->message, sizeof error->message, "%s", message);
	error->code = code;
	return error;
}

static void error_destroy(PJRT_Error_Destroy_Args *args) { free(args->error); }

static void error_message(PJRT_Error_Message_Args *args) {
	args->message = args->error->message;
	args->message_size = strlen(args->error->message);
}

static PJRT_Error *error_code(PJRT_Error_GetCode_Args *args) {
	args->code = args->error->code;
	return NULL;
}

static PJRT_Error *plugin_initialize(PJRT_Plugin_Initialize_Args *args) { return NULL; }

static PJRT_Error *plugin_attributes(PJRT_Plugin_Attributes_Args *args) {
	args->attributes = NULL;
	args->num_attributes = 0;
	return NULL;
}

static PJRT_Error *client_create(PJRT_Client_Create_Args *args) {
#ifdef ABORT
	abort();
#endif
#ifdef ECHO_OPTIONS
	char text[1024] = "options:";
	for (size_t i = 0; i < args->num_options; i++) {
		const PJRT_NamedValue *o = &args->create_options[i];
		size_t used = strlen(text);
		if (o->type == PJRT_NamedValue_kBool) {
			snprintf(text + used, sizeof text - used, " %.*s=%s;", (int)o->name_size, o->name, o->bool_value ? "true" : "false");
		} else {
			snprintf(text + used, sizeof text - used, " %.*s;", (int)o->name_size, o->name);
		}
	}
	return fail(PJRT_Error_Code_INVALID_ARGUMENT, text);
#endif
#ifdef CREATE_ERROR
	return fail(PJRT_Error_Code_INTERNAL, CREATE_ERROR);
#endif
	args->client = calloc(1, sizeof *args->client);
	return NULL;
}

static PJRT_Error *client_destroy(PJRT_Client_Destroy_Args *args) {
	free(args->client);
	return NULL;
}

static PJRT_Error *client_platform_name(PJRT_Client_PlatformName_Args *args) {
	args->platform_name = "fake";
	args->platform_name_size = strlen(args->platform_name);
	return NULL;
}

static PJRT_Error *client_platform_version(PJRT_Client_PlatformVersion_Args *args) {
	args->platform_version = "0";
	args->platform_version_size = strlen(args->platform_version);
	return NULL;
}

static PJRT_Error *client_process_index(PJRT_Client_ProcessIndex_Args *args) {
	args->process_index = 0;
	return NULL;
}

static PJRT_Device devices[16] = {{0}, {1}, {2}, {3}, {4}, {5}, {6}, {7}};
static PJRT_Device *addresses[16];

static PJRT_Error *client_addressable_devices(PJRT_Client_AddressableDevices_Args *args) {
	for (int i = 0; i < DEVICES; i++) {
		addresses[i] = &devices[i];
	}
	args->addressable_devices = addresses;
	args->num_addressable_devices = DEVICES;
	return NULL;
}

static PJRT_Error *device_local_hardware_id(PJRT_Device_LocalHardwareId_Args *args) {
	args->local_hardware_id = args->device->id;
	return NULL;
}

static PJRT_Error *device_is_addressable(PJRT_Device_IsAddressable_Args *args) {
	args->is_addressable = true;
	return NULL;
}

static PJRT_Error *client_default_device_assignment(PJRT_Client_DefaultDeviceAssignment_Args *args) {
	for (int i = 0; i < args->num_replicas * args->num_partitions; i++) {
		args->default_assignment[i] = i;
	}
	return NULL;
}

struct PJRT_Buffer {
	PJRT_Buffer_Type type;
	size_t rank;
	int64_t dimensions[8];
	PJRT_Device *device;
};

static PJRT_Error *buffer_from_host(PJRT_Client_BufferFromHostBuffer_Args *args) {
	args->buffer = calloc(1, sizeof *args->buffer);
	args->buffer->type = args->type;
	args->buffer->device = args->device;
	args->buffer->rank = args->num_dims;
	for (size_t i = 0; i < args->num_dims && i < 8; i++) {
		args->buffer->dimensions[i] = args->dims[i];
	}
	args->done_with_host_buffer = NULL;
	return NULL;
}

static PJRT_Error *buffer_element_type(PJRT_Buffer_ElementType_Args *args) {
	args->type = args->buffer->type;
	return NULL;
}

static PJRT_Error *buffer_device(PJRT_Buffer_Device_Args *args) {
	args->device = args->buffer->device;
	return NULL;
}

static PJRT_Error *buffer_dimensions(PJRT_Buffer_Dimensions_Args *args) {
	args->dims = args->buffer->dimensions;
	args->num_dims = args->buffer->rank;
	return NULL;
}

static PJRT_Error *buffer_to_host(PJRT_Buffer_ToHostBuffer_Args *args) {
	memset(args->dst, 0, args->dst_size);
	args->event = NULL;
	return NULL;
}

static PJRT_Error *buffer_destroy(PJRT_Buffer_Destroy_Args *args) {
	free(args->buffer);
	return NULL;
}

static PJRT_Error *event_await(PJRT_Event_Await_Args *args) { return NULL; }

static PJRT_Error *event_destroy(PJRT_Event_Destroy_Args *args) { return NULL; }

#ifdef EXECUTES
// An executable has nothing but the types of its results.
struct PJRT_LoadedExecutable {
	size_t results;
	struct PJRT_Buffer *types;
	bool loaded;
};

// note adds a line to the log.
static void note(const char *line) {
	const char *path = getenv("RESIDUAL_FAKE_LOG");
	FILE *file = path == NULL || *path == 0 ? NULL : fopen(path, "a");
	if (file != NULL) {
		fprintf(file, "%s\n", line);
		fclose(file);
	}
}

// parse reads a type, such as tensor<3x4xf32>, after "tensor<".
static struct PJRT_Buffer parse(const char *text) {
	static const struct {
		const char *name;
		PJRT_Buffer_Type type;
	} types[] = {
		{"f32>", PJRT_Buffer_Type_F32}, {"bf16>", PJRT_Buffer_Type_BF16}, {"f64>", PJRT_Buffer_Type_F64},
		{"i32>", PJRT_Buffer_Type_S32}, {"i64>", PJRT_Buffer_Type_S64}, {"i1>", PJRT_Buffer_Type_PRED},
		{"ui8>", PJRT_Buffer_Type_U8}, {"ui32>", PJRT_Buffer_Type_U32}, {"ui64>", PJRT_Buffer_Type_U64},
	};
	struct PJRT_Buffer buffer = {0};
	char *end;
	for (long n = strtol(text, &end, 10); *end == 'x' && end != text && buffer.rank < 8; n = strtol(text, &end, 10)) {
		buffer.dimensions[buffer.rank++] = n;
		text = end + 1;
	}
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		if (strncmp(text, types[i].name, strlen(types[i].name)) == 0) {
			buffer.type = types[i].type;
		}
	}
	return buffer;
}

static PJRT_Error *client_compile_any(PJRT_Client_Compile_Args *args) {
	note("compile");
	for (const char *gate = getenv("RESIDUAL_FAKE_GATE"); gate != NULL && access(gate, F_OK) == 0;) {
		usleep(1000);
	}
	char *text = strndup(args->program->code, args->program->code_size);
	const char *main = strstr(text, "@main("), *at = main == NULL ? NULL : strstr(main, "-> "), *end = at == NULL ? NULL : strstr(at, " {\n");
	if (end == NULL) {
		free(text);
		return fail(PJRT_Error_Code_INVALID_ARGUMENT, "the program has no main function");
	}
	PJRT_LoadedExecutable *executable = calloc(1, sizeof *executable);
	while ((at = strstr(at, "tensor<")) != NULL && at < end) {
		at += strlen("tensor<");
		executable->types = realloc(executable->types, (executable->results + 1) * sizeof *executable->types);
		executable->types[executable->results++] = parse(at);
	}
	free(text);
	args->executable = executable;
	return NULL;
}

static PJRT_Error *loaded_executable_get_executable(PJRT_LoadedExecutable_GetExecutable_Args *args) {
	args->executable = (PJRT_Executable *)args->loaded_executable;
	return NULL;
}

static PJRT_Error *loaded_executable_destroy(PJRT_LoadedExecutable_Destroy_Args *args) {
	free(args->executable->types);
	free(args->executable);
	return NULL;
}

static PJRT_Error *loaded_executable_execute(PJRT_LoadedExecutable_Execute_Args *args) {
	for (size_t device = 0; device < args->num_devices; device++) {
		for (size_t i = 0; i < args->executable->results; i++) {
			PJRT_Buffer *result = malloc(sizeof *result);
			*result = args->executable->types[i];
			result->device = args->execute_device != NULL ? args->execute_device : &devices[device];
			args->output_lists[device][i] = result;
		}
		if (args->device_complete_events != NULL) {
			args->device_complete_events[device] = NULL;
		}
	}
	return NULL;
}

// The executable of a loaded one is the same, and is destroyed with it.
static PJRT_Error *executable_destroy(PJRT_Executable_Destroy_Args *args) { return NULL; }

static PJRT_Error *executable_name(PJRT_Executable_Name_Args *args) {
	args->executable_name = "fake";
	args->executable_name_size = strlen(args->executable_name);
	return NULL;
}

static PJRT_Error *executable_num_outputs(PJRT_Executable_NumOutputs_Args *args) {
	args->num_outputs = ((PJRT_LoadedExecutable *)args->executable)->results;
	return NULL;
}

static PJRT_Error *executable_memory(PJRT_Executable_GetCompiledMemoryStats_Args *args) {
#ifdef UNUSABLE
	if (((PJRT_LoadedExecutable *)args->executable)->loaded) {
		return fail(PJRT_Error_Code_UNIMPLEMENTED, "a loaded executable has no sizes");
	}
#endif
	return NULL;
}

#ifdef SERIALIZES
static const char mark[] = "executable of the fake plugin";

static void serialized_free(PJRT_SerializedExecutable *serialized) {
	note("free");
	free(serialized);
}

static PJRT_Error *executable_serialize(PJRT_Executable_Serialize_Args *args) {
#ifdef SERIALIZE_ERROR
	return fail(PJRT_Error_Code_UNIMPLEMENTED, "the fake plugin serializes nothing");
#endif
	const PJRT_LoadedExecutable *executable = (const PJRT_LoadedExecutable *)args->executable;
	size_t types = executable->results * sizeof *executable->types;
	char *data = malloc(sizeof mark + types);
	memcpy(data, mark, sizeof mark);
	if (types > 0) {
		memcpy(data + sizeof mark, executable->types, types);
	}
	args->serialized_bytes = data;
	args->serialized_bytes_size = sizeof mark + types;
	args->serialized_executable = (PJRT_SerializedExecutable *)data;
	args->serialized_executable_deleter = serialized_free;
	return NULL;
}

static PJRT_Error *executable_load(PJRT_Executable_DeserializeAndLoad_Args *args) {
	note("load");
#ifdef LOAD_ERROR
	return fail(PJRT_Error_Code_INTERNAL, "the fake plugin loads nothing");
#endif
	const char *data = args->serialized_executable;
	size_t size = args->serialized_executable_size;
	if (size < sizeof mark || memcmp(data, mark, sizeof mark) != 0) {
		return fail(PJRT_Error_Code_INVALID_ARGUMENT, "not an executable of the fake plugin");
	}
	PJRT_LoadedExecutable *executable = calloc(1, sizeof *executable);
	executable->results = (size - sizeof mark) / sizeof *executable->types;
	executable->types = calloc(executable->results + 1, sizeof *executable->types);
	executable->loaded = true;
	memcpy(executable->types, data + sizeof mark, executable->results * sizeof *executable->types);
	args->loaded_executable = executable;
	return NULL;
}
#endif
#endif

static PJRT_Error *client_compile(PJRT_Client_Compile_Args *args) {
	const char *path = getenv("RESIDUAL_FAKE_PROGRAM");
	if (path != NULL) {
		FILE *file = fopen(path, "w");
		if (file == NULL || fwrite(args->program->code, 1, args->program->code_size, file) != args->program->code_size || fclose(file) != 0) {
			return fail(PJRT_Error_Code_INTERNAL, "cannot write the program");
		}
	}
	return fail(PJRT_Error_Code_UNIMPLEMENTED, "the fake plugin compiles nothing");
}

// unimplemented stands in for all functions that are not defined above.
static PJRT_Error *unimplemented(void *args) {
	return fail(PJRT_Error_Code_UNIMPLEMENTED, "the fake plugin cannot do this");
}

#ifndef NO_ENTRY
const PJRT_Api *GetPjrtApi(void) {
#ifdef NO_TABLE
	return NULL;
#else
	static PJRT_Api api;
	void **function = (void **)&api.PJRT_Error_Destroy;
	void **end = (void **)(&api + 1);
	while (function < end) {
		*function++ = (void *)unimplemented;
	}
	api.struct_size = SIZE;
	api.pjrt_api_version.struct_size = sizeof api.pjrt_api_version;
	api.pjrt_api_version.major_version = MAJOR;
	api.pjrt_api_version.minor_version = PJRT_API_MINOR;
	api.PJRT_Error_Destroy = error_destroy;
	api.PJRT_Error_Message = error_message;
	api.PJRT_Error_GetCode = error_code;
	api.PJRT_Plugin_Initialize = plugin_initialize;
	api.PJRT_Plugin_Attributes = plugin_attributes;
	api.PJRT_Client_Create = client_create;
	api.PJRT_Client_Destroy = client_destroy;
	api.PJRT_Client_PlatformName = client_platform_name;
	api.PJRT_Client_PlatformVersion = client_platform_version;
	api.PJRT_Client_ProcessIndex = client_process_index;
	api.PJRT_Client_AddressableDevices = client_addressable_devices;
	api.PJRT_Client_Compile = client_compile;
	api.PJRT_Device_LocalHardwareId = device_local_hardware_id;
	api.PJRT_Device_IsAddressable = device_is_addressable;
	api.PJRT_Client_BufferFromHostBuffer = buffer_from_host;
	api.PJRT_Client_DefaultDeviceAssignment = client_default_device_assignment;
	api.PJRT_Buffer_Destroy = buffer_destroy;
	api.PJRT_Event_Await = event_await;
	api.PJRT_Event_Destroy = event_destroy;
	api.PJRT_Buffer_ElementType = buffer_element_type;
	api.PJRT_Buffer_Device = buffer_device;
	api.PJRT_Buffer_Dimensions = buffer_dimensions;
	api.PJRT_Buffer_ToHostBuffer = buffer_to_host;
#ifdef EXECUTES
	api.PJRT_Client_Compile = client_compile_any;
	api.PJRT_LoadedExecutable_GetExecutable = loaded_executable_get_executable;
	api.PJRT_LoadedExecutable_Destroy = loaded_executable_destroy;
	api.PJRT_LoadedExecutable_Execute = loaded_executable_execute;
	api.PJRT_Executable_Destroy = executable_destroy;
	api.PJRT_Executable_Name = executable_name;
	api.PJRT_Executable_NumOutputs = executable_num_outputs;
	api.PJRT_Executable_GetCompiledMemoryStats = executable_memory;
#ifdef SERIALIZES
	api.PJRT_Executable_Serialize = executable_serialize;
	api.PJRT_Executable_DeserializeAndLoad = executable_load;
#endif
#ifdef NO_LOADING
	api.PJRT_Executable_DeserializeAndLoad = NULL;
#endif
#endif
#ifdef NO_COMPILE
	api.PJRT_Client_Compile = NULL;
#endif
	return &api;
#endif
}
#endif
