/* SPDX-License-Identifier: MIT */
/*
 * Host test of lib/elf.c: a good file is described exactly, and each fault is found by its name
 * when one field of the good file is changed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <elf.h>
#include <lib/elf.h>

/* A file with text, data (with bss) and a stack note; padded to hold what the segments name. */
struct file {
	Elf64_Ehdr head;
	Elf64_Phdr phdr[4];
	char rest[0x3000];
};

static struct file good_file(void)
{
	struct file f = {};

	memcpy(f.head.e_ident, "\177ELF\2\1\1", 7);
	f.head.e_type = ET_EXEC;
	f.head.e_machine = EM_X86_64;
	f.head.e_version = 1;
	f.head.e_entry = 0x401010;
	f.head.e_phoff = sizeof(Elf64_Ehdr);
	f.head.e_phentsize = sizeof(Elf64_Phdr);
	f.head.e_phnum = 4;
	f.phdr[0] = (Elf64_Phdr){.p_type = PT_LOAD,
				 .p_flags = PF_R | PF_X,
				 .p_offset = 0,
				 .p_vaddr = 0x401000,
				 .p_filesz = 0x800,
				 .p_memsz = 0x800};
	f.phdr[1] = (Elf64_Phdr){.p_type = PT_LOAD,
				 .p_flags = PF_R | PF_W,
				 .p_offset = 0x1800,
				 .p_vaddr = 0x403800,
				 .p_filesz = 0x100,
				 .p_memsz = 0x2900};
	f.phdr[2] = (Elf64_Phdr){.p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W};
	f.phdr[3] = (Elf64_Phdr){.p_type = PT_INTERP, .p_offset = 0x200, .p_filesz = 28};
	return f;
}

static enum elf_fault parse(const struct file *f, struct elf *elf)
{
	return elf_parse(f, 4096, sizeof(*f), ELF_MACHINE_X86_64, elf);
}

static void test_good(void **)
{
	struct file f = good_file();
	struct elf elf;

	assert_int_equal(parse(&f, &elf), ELF_OK);
	assert_int_equal(elf.type, ELF_TYPE_EXEC);
	assert_int_equal(elf.entry, 0x401010);
	assert_int_equal(elf.count, 2);
	assert_int_equal(elf.low, 0x401000);
	assert_int_equal(elf.high, 0x407000);
	assert_int_equal(elf.segment[1].vaddr, 0x403800);
	assert_int_equal(elf.segment[1].offset, 0x1800);
	assert_int_equal(elf.segment[1].file_size, 0x100);
	assert_int_equal(elf.segment[1].mem_size, 0x2900);
	assert_int_equal(elf.segment[1].flags, ELF_R | ELF_W);
	assert_int_equal(elf.phdr_vaddr, 0x401040);
	assert_int_equal(elf.phdr_count, 4);
	assert_int_equal(elf.interp_offset, 0x200);
	assert_int_equal(elf.interp_size, 28);
	assert_false(elf.exec_stack);
}

static void test_variants(void **)
{
	struct file f = good_file();
	struct elf elf;

	f.phdr[2].p_type = PT_NULL;
	assert_int_equal(parse(&f, &elf), ELF_OK);
	assert_true(elf.exec_stack);

	f = good_file();
	f.head.e_type = ET_DYN;
	f.phdr[0].p_offset = 0x1000; /* the headers are in no segment */
	assert_int_equal(parse(&f, &elf), ELF_OK);
	assert_int_equal(elf.phdr_vaddr, 0);

	f = good_file();
	f.phdr[1].p_memsz = f.phdr[1].p_filesz = 0; /* empty: passed over */
	assert_int_equal(parse(&f, &elf), ELF_OK);
	assert_int_equal(elf.count, 1);

	f = good_file();
	f.head.e_machine = EM_AARCH64;
	assert_int_equal(elf_parse(&f, 4096, sizeof(f), ELF_MACHINE_AARCH64, &elf), ELF_OK);
}

#define EXPECT(change, fault)                                                                                          \
	do {                                                                                                           \
		struct file f = good_file();                                                                           \
		struct elf elf;                                                                                        \
		change;                                                                                                \
		assert_int_equal(parse(&f, &elf), fault);                                                              \
		assert_string_not_equal(elf_fault_text(fault), "no fault");                                            \
	} while (0)

static void test_header_faults(void **)
{
	struct file whole = good_file();
	struct elf elf;

	assert_int_equal(elf_parse(&whole, 63, 63, ELF_MACHINE_X86_64, &elf), ELF_TOO_SHORT);
	assert_int_equal(elf_parse(&whole, 64, 64, ELF_MACHINE_X86_64, &elf), ELF_HEADERS_OUTSIDE);
	EXPECT(f.head.e_ident[1] = 'F', ELF_BAD_MAGIC);
	EXPECT(f.head.e_ident[4] = ELFCLASS32, ELF_NOT_64_LE);
	EXPECT(f.head.e_ident[5] = ELFDATA2MSB, ELF_NOT_64_LE);
	EXPECT(f.head.e_version = 2, ELF_BAD_VERSION);
	EXPECT(f.head.e_machine = EM_AARCH64, ELF_WRONG_MACHINE);
	EXPECT(f.head.e_type = ET_REL, ELF_BAD_TYPE);
	EXPECT(f.head.e_phentsize = 32, ELF_BAD_HEADERS);
	EXPECT(f.head.e_phnum = 0, ELF_NO_SEGMENT);
	EXPECT(f.head.e_phnum = 0xffff, ELF_HEADERS_OUTSIDE);
	EXPECT(f.head.e_phoff = UINT64_MAX - 10, ELF_HEADERS_OUTSIDE);
	EXPECT(f.head.e_phoff = 4096 - 4 * sizeof(Elf64_Phdr) + 1, ELF_HEADERS_OUTSIDE);
	EXPECT(f.head.e_entry = 0x401800, ELF_BAD_ENTRY);
	EXPECT(f.head.e_entry = 0x403800, ELF_BAD_ENTRY);
}

static void test_segment_faults(void **)
{
	EXPECT(f.phdr[0].p_type = f.phdr[1].p_type = PT_NOTE, ELF_NO_SEGMENT);
	EXPECT(f.phdr[1].p_offset = sizeof(f) & ~0xfffull | 0x800, ELF_SEGMENT_OUTSIDE);
	EXPECT(f.phdr[1].p_offset = UINT64_MAX & ~0x7ffull, ELF_SEGMENT_OUTSIDE);
	EXPECT(f.phdr[1].p_filesz = UINT64_MAX, ELF_SEGMENT_OUTSIDE);
	EXPECT(f.phdr[1].p_memsz = 0xff, ELF_SEGMENT_SIZE);
	EXPECT(f.phdr[1].p_memsz = 0, ELF_SEGMENT_SIZE);
	EXPECT(f.phdr[1].p_memsz = UINT64_MAX, ELF_SEGMENT_WRAPS);
	EXPECT(f.phdr[1].p_vaddr = 0xffffffffffffe800, ELF_SEGMENT_WRAPS);
	EXPECT(f.phdr[1].p_vaddr = 0x403900, ELF_SEGMENT_ALIGN);
	EXPECT(f.phdr[1].p_vaddr = 0x400800, ELF_SEGMENT_ORDER);
	EXPECT(f.phdr[0].p_memsz = 0x2801, ELF_SEGMENT_ORDER);
	EXPECT(f.phdr[3].p_filesz = 1, ELF_BAD_INTERP);
	EXPECT(f.phdr[3].p_filesz = 5000, ELF_BAD_INTERP);
	EXPECT(f.phdr[3].p_offset = UINT64_MAX, ELF_BAD_INTERP);
	EXPECT(f.phdr[2] = f.phdr[3], ELF_BAD_INTERP);
}

static void test_too_many_segments(void **)
{
	struct {
		Elf64_Ehdr head;
		Elf64_Phdr phdr[ELF_MAX_SEGMENTS + 1];
		char rest[4096];
	} f = {.head = good_file().head};
	struct elf elf;

	f.head.e_phnum = ELF_MAX_SEGMENTS;
	for (unsigned i = 0; i <= ELF_MAX_SEGMENTS; i++) {
		f.phdr[i] = good_file().phdr[0];
		f.phdr[i].p_vaddr += i * 0x1000;
	}
	assert_int_equal(elf_parse(&f, sizeof(f), sizeof(f), ELF_MACHINE_X86_64, &elf), ELF_OK);
	assert_int_equal(elf.count, ELF_MAX_SEGMENTS);
	f.head.e_phnum++;
	assert_int_equal(elf_parse(&f, sizeof(f), sizeof(f), ELF_MACHINE_X86_64, &elf), ELF_TOO_MANY_SEGMENTS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_variants),
		cmocka_unit_test(test_header_faults),
		cmocka_unit_test(test_segment_faults),
		cmocka_unit_test(test_too_many_segments),
	};

	return cmocka_run_group_tests_name("elf", tests, nullptr, nullptr);
}
