# SPDX-License-Identifier: Apache-2.0
"""The rows of scripts/bench, and what they share."""
