/* SPDX-License-Identifier: MIT */
/*
 * machine.h - aarch64's constants for the common part of the loader.
 */
#pragma once

#include <lib/elf.h>

constexpr enum elf_machine BOOT_ELF_MACHINE = ELF_MACHINE_AARCH64;
