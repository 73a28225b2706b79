/* SPDX-License-Identifier: MIT */
/* The registers of a report: those of struct context (cpu.h) up to RSP, in its order, then CR3. */
#ifndef ARCH_REPORT_H
#define ARCH_REPORT_H

enum report_register : unsigned { REPORT_RDI = 14, REPORT_RSP = 20, REPORT_CR3, REPORT_REGISTERS };

#endif
