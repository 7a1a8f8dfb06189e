// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import ipc_parent

@Suite("Values on the command line")
struct CommandLineValueTests {
    @Test(
        "A duration is a number with a unit, and seconds without one",
        arguments: [
            ("500ms", Duration.milliseconds(500)), ("2s", .seconds(2)), ("30m", .seconds(1_800)),
            ("1h", .seconds(3_600)), ("2d", .seconds(172_800)), ("7", .seconds(7)), ("0", .zero),
            ("1.5s", .milliseconds(1_500)), ("0.25h", .seconds(900)), ("1H", .seconds(3_600)),
            ("0.0000000019s", .nanoseconds(1)), ("9223372036.854775807", .nanoseconds(Int64.max)),
        ]
    )
    func duration(text: String, expected: Duration) throws {
        #expect(try Duration.parsed(text) == expected)
    }

    @Test(
        "What is no duration is refused with an example of one",
        arguments: ["", "s", "5x", "-1s", "1 s", "1.s", ".5s", "1e3", "1h30m", "١s", "+3", "0x10"]
    )
    func noDuration(text: String) {
        #expect {
            try Duration.parsed(text)
        } throws: { error in
            "\(error)".contains("500ms, 2s, 30m or 1h")
        }
    }

    @Test("A duration that no clock can hold is refused", arguments: ["9223372036.854775808", "300000000000000d"])
    func endlessDuration(text: String) {
        #expect {
            try Duration.parsed(text)
        } throws: { error in
            "\(error)".contains("292 years")
        }
    }

    @Test("A limit may be switched off with none or 0")
    func limits() throws {
        #expect(try Duration.parsedLimit("none") == nil)
        #expect(try Duration.parsedLimit("0") == nil)
        #expect(try Duration.parsedLimit("0ms") == nil)
        #expect(try Duration.parsedLimit("90") == .seconds(90))
    }

    static let sizes: [(String, UInt64)] = [
        ("0", 0), ("4096", 4_096), ("1K", 1_024), ("64k", 65_536), ("1M", 1_048_576), ("2G", 2_147_483_648),
        ("3T", 3_298_534_883_328), ("1.5G", 1_610_612_736), ("10MiB", 10_485_760), ("10MB", 10_485_760), ("12B", 12),
        ("18446744073709551615", 18_446_744_073_709_551_615), ("16777215T", 18_446_742_974_197_923_840),
    ]

    @Test("A size is in powers of 1024", arguments: sizes)
    func size(text: String, expected: UInt64) throws {
        #expect(try ByteSize(parsing: text).bytes == expected)
    }

    @Test(
        "What is no size is refused, and the message says what one looks like",
        arguments: [
            ("", "512M"), ("K", "512M"), ("1X", "512M"), ("-1", "512M"), ("1 K", "512M"), ("1.5", "whole number"),
            ("16777216T", "64 bits"), ("99999999999999999999", "512M"),
        ]
    )
    func noSize(text: String, hint: String) {
        #expect {
            try ByteSize(parsing: text)
        } throws: { error in
            "\(error)".contains(hint)
        }
    }

    @Test("An assignment splits at the first equals sign")
    func assignment() throws {
        #expect(try Assignment(parsing: "a=b") == Assignment(key: "a", value: "b"))
        #expect(try Assignment(parsing: "a=b=c") == Assignment(key: "a", value: "b=c"))
        #expect(try Assignment(parsing: "a=") == Assignment(key: "a", value: ""))
        #expect(try Assignment(parsing: "ключ=значение") == Assignment(key: "ключ", value: "значение"))
        #expect(throws: ValueError("has no '='; write KEY=VALUE")) { try Assignment(parsing: "database") }
        #expect(throws: ValueError("has nothing before '='; write KEY=VALUE")) { try Assignment(parsing: "=x") }
    }
}
