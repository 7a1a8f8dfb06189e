// SPDX-License-Identifier: Apache-2.0

/// The last frames of a connection, for whoever must find out why it stands still.
struct RecentFrames {
    /// How many are kept.
    static let capacity = 16

    private struct Entry {
        let header: FrameHeader
        let isSent: Bool
        let moment: ContinuousMoment
    }

    private var entries: [Entry] = []
    private var next = 0

    mutating func record(_ header: FrameHeader, isSent: Bool, at moment: ContinuousMoment = .now) {
        let entry = Entry(header: header, isSent: isSent, moment: moment)
        if entries.count < Self.capacity {
            if entries.isEmpty { entries.reserveCapacity(Self.capacity) }
            entries.append(entry)
        } else {
            entries[next] = entry
            next = (next + 1) % Self.capacity
        }
    }

    /// A line for each, the oldest first: "> DATA stream=1 length=262148, 1.250 s ago"; `>` is sent, `<` received.
    func lines(at now: ContinuousMoment = .now) -> [String] {
        (entries[next...] + entries[..<next]).map { entry in
            let milliseconds = max(0, (now - entry.moment).wholeNanoseconds / 1_000_000)
            let fraction = String(milliseconds % 1_000)
            let time = "\(milliseconds / 1_000)." + String(repeating: "0", count: 3 - fraction.count) + fraction
            return (entry.isSent ? "> " : "< ") + FrameType.name(of: entry.header.rawType)
                + " stream=\(entry.header.stream) length=\(entry.header.length), \(time) s ago"
        }
    }
}
