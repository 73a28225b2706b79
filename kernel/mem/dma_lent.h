/* SPDX-License-Identifier: MIT */
/* What dma.c and dma_list.c have of each other. */
#ifndef KERNEL_DMA_LENT_H
#define KERNEL_DMA_LENT_H

#include <kernel/mem/dma.h>

/* Whether the device can name all of the range. */
bool dma_reaches(const struct dma_rules *rules, uint64_t address, uint64_t length);
/* dma_give without giving an empty block back: never sleeps. */
void dma_give_now(struct dma_buffer *b);
/* Adds what is lent and what of it is lost. */
void dma_lent_stats(struct dma_stats *out);

#endif
