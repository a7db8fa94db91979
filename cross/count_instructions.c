// Counts the instructions that an emulated program executes: a plugin for qemu-user (Debian: qemu-user; the static build
// loads none). Writes "instructions: N" to standard error when the program ends.
//
//   gcc -O2 -shared -fPIC -o count_instructions.so count_instructions.c
//   qemu-aarch64 -plugin ./count_instructions.so PROGRAM ARGUMENT…
//
// Debian 12 ships no qemu-plugin.h: what is used of it (API version 1) is declared here.
#include <inttypes.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct qemu_plugin_tb;
struct qemu_info_t;
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };
typedef void (*translated_callback)(uint64_t id, struct qemu_plugin_tb *block);
typedef void (*executed_callback)(unsigned int vcpu, void *data);
typedef void (*exit_callback)(uint64_t id, void *data);

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, translated_callback callback);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *block, executed_callback callback,
                                          enum qemu_plugin_cb_flags flags, void *data);
void qemu_plugin_register_atexit_cb(uint64_t id, exit_callback callback, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

// The threads of the program share it.
static _Atomic uint64_t instructions;

static void executed(unsigned int vcpu, void *data) {
  (void)vcpu;
  atomic_fetch_add_explicit(&instructions, (uintptr_t)data, memory_order_relaxed);
}

static void translated(uint64_t id, struct qemu_plugin_tb *block) {
  (void)id;
  void *count = (void *)(uintptr_t)qemu_plugin_tb_n_insns(block);
  qemu_plugin_register_vcpu_tb_exec_cb(block, executed, QEMU_PLUGIN_CB_NO_REGS, count);
}

static void finished(uint64_t id, void *data) {
  (void)id;
  (void)data;
  fprintf(stderr, "instructions: %" PRIu64 "\n", atomic_load(&instructions));
}

__attribute__((visibility("default"))) int qemu_plugin_install(uint64_t id, const struct qemu_info_t *info, int argc,
                                                               char **argv) {
  (void)info;
  (void)argc;
  (void)argv;
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  qemu_plugin_register_atexit_cb(id, finished, NULL);
  return 0;
}
