// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// How bodies are compressed on their way.
enum Compression: String, ExpressibleByArgument, CaseIterable { case zlib, none }
