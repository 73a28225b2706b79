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

/* How many pages a segment touches. */
unsigned dma_segment_pages(const struct dma_segment *s);

/* dma_confine.c: the list's pages are lent to the device of its rules' claim. 0, or -EAGAIN: no memory for that. */
[[nodiscard]] int dma_confine_list(struct dma_list *list);
/* They are so no more. False: the device may still reach one. */
bool dma_free_list_again(struct dma_list *list);

#endif
