/* SPDX-License-Identifier: MIT */
/* lwIP names <stdio.h> for checks that are not compiled. */
#pragma once
