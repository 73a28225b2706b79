/* SPDX-License-Identifier: MIT */
/* Host test of lib/core_file.c, against the host's own <elf.h> and <sys/procfs.h>. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <elf.h>
#include <lib/core_file.h>

static void test_headers(void **)
{
	Elf64_Ehdr h;
	Elf64_Phdr p;

	core_header_put(&h, EM_AARCH64, 7);
	assert_memory_equal(h.e_ident, "\177ELF\2\1\1", 7);
	assert_int_equal(h.e_type, ET_CORE);
	assert_int_equal(h.e_machine, EM_AARCH64);
	assert_int_equal(h.e_phoff, sizeof(h));
	assert_int_equal(h.e_phentsize, sizeof(p));
	assert_int_equal(h.e_phnum, 7);
	assert_int_equal(h.e_shnum, 0);
	core_notes_segment_put(&p, 100, 200);
	assert_int_equal(p.p_type, PT_NOTE);
	assert_int_equal(p.p_offset, 100);
	assert_int_equal(p.p_filesz, 200);
	core_memory_segment_put(&p, 0x10000, 0x3000, 0x2000, 0x1000, PF_R | PF_W);
	assert_int_equal(p.p_type, PT_LOAD);
	assert_int_equal(p.p_vaddr, 0x10000);
	assert_int_equal(p.p_memsz, 0x3000);
	assert_int_equal(p.p_offset, 0x2000);
	assert_int_equal(p.p_filesz, 0x1000);
	assert_int_equal(p.p_flags, PF_R | PF_W);
	assert_int_equal(p.p_align, 0x1000);
}

static void test_notes(void **)
{
	unsigned char text[64];
	Elf64_Nhdr note;

	memset(text, 0xaa, sizeof(text));
	assert_int_equal(core_note_bytes("CORE", 5), 12 + 8 + 8);
	unsigned char *content = core_note_put(text, "CORE", CORE_NOTE_AUXV, 5);
	memcpy(&note, text, sizeof(note));
	assert_int_equal(note.n_namesz, 5);
	assert_int_equal(note.n_descsz, 5);
	assert_int_equal(note.n_type, NT_AUXV);
	assert_string_equal(text + 12, "CORE");
	assert_ptr_equal(content, text + 20);
	for (unsigned i = 17; i < 28; i++)
		assert_int_equal(text[i], 0);
	assert_int_equal(text[28], 0xaa);
	assert_int_equal(CORE_NOTE_STATUS, NT_PRSTATUS);
	assert_int_equal(CORE_NOTE_FPU, NT_FPREGSET);
	assert_int_equal(CORE_NOTE_PROCESS, NT_PRPSINFO);
	assert_int_equal(CORE_NOTE_SIGINFO, NT_SIGINFO);
	assert_int_equal(CORE_NOTE_FILES, NT_FILE);
	assert_int_equal(CORE_NOTE_ARM_TLS, NT_ARM_TLS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_headers), cmocka_unit_test(test_notes)};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
