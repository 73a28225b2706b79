/* SPDX-License-Identifier: MIT */
/*
 * firmware.h - the page on which CPUs wait. It begins with wait.S; the CPU whose MPIDR is n polls the n-th of the
 * slots. spin_table.py gives PAGE_ADDRESS and all else that a machine is to be like.
 */
#pragma once

#define SLOTS	   0x800 /* offset in the page */
#define SLOT_BYTES 16
#define SLOT_HELD  8 /* offset: of a word that is not 0 while the CPU may not go there */
