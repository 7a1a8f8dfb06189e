// SPDX-License-Identifier: Apache-2.0
internal import CLinux
internal import Glibc

/// Whether a thread that has nothing to do looks for something for a moment before it sleeps.
///
/// A processor that sleeps takes microseconds to wake, in a virtual machine fifty and more, which is most of a small
/// call's time. So a thread whose last wait was short looks first, and gives way to other threads between two looks. One
/// that waits for longer, as all idle ones do, sleeps at once: it costs nothing. The rule is that of KVM's polling for a
/// halted guest (Documentation/virt/kvm/halt-polling.rst of Linux); times are in nanoseconds, and given.
struct BusyPolling {
    /// A thread looks for so long.
    static let longestLook: UInt64 = 50_000
    /// A wait that was over after so long makes the next look worth while.
    static let shortWait: UInt64 = 200_000
    /// A turn of others is none if it is over sooner: nobody else was there.
    static let leastTurn: UInt64 = 3_000
    /// After so many waits in which others had turns on this processor, one sleeps at once: the scheduler looks for a free
    /// processor for who wakes, not for who gives way.
    static let sharedWaits = 64
    /// Others that take the processor for longer than this, when it is left to them, need it.
    static let longTurn: UInt64 = 100_000
    /// Then nobody looks for a while, which doubles from the first of these to the second: a thread that sleeps is preferred
    /// when it wakes, one that looks waits for its turn.
    static let restTimes: ClosedRange<UInt64> = 4_000_000...1_024_000_000
    /// After so many waits for which nobody else took the processor for long, the next rest is a short one.
    static let peacefulWaits = 20

    private var began: UInt64 = 0
    private var lastLook: UInt64 = 0
    private var isWorthwhile = false
    /// In this wait, and nobody else has taken the processor for long.
    private var isLooking = false
    /// In this wait others have had the processor.
    private var isShared = false
    private var sharedWaits = 0
    private var restsUntil: UInt64 = 0
    private var nextRest = restTimes.lowerBound
    private var peacefulWaits = 0

    /// A wait begins; whether to look before sleeping.
    mutating func begin(at now: UInt64) -> Bool {
        began = now
        lastLook = now
        isLooking = isWorthwhile && now >= restsUntil && sharedWaits < Self.sharedWaits
        if sharedWaits == Self.sharedWaits { sharedWaits = 0 }
        isShared = false
        return isLooking
    }

    /// Nothing was found, and others have had their turn; whether to look again.
    mutating func looksAgain(at now: UInt64) -> Bool {
        defer { lastLook = now }
        if now - lastLook > Self.leastTurn { isShared = true }
        guard now - lastLook <= Self.longTurn else {
            restsUntil = now + nextRest
            nextRest = min(2 * nextRest, Self.restTimes.upperBound)
            peacefulWaits = 0
            isLooking = false
            return false
        }
        return now - began < Self.longestLook
    }

    /// The wait is over.
    mutating func end(at now: UInt64) {
        isWorthwhile = now - began <= Self.shortWait
        guard isLooking else { return }
        if isShared { sharedWaits += 1 }
        peacefulWaits += 1
        if peacefulWaits >= Self.peacefulWaits { nextRest = Self.restTimes.lowerBound }
    }
}

extension BusyPolling {
    private static let hasSeveralProcessors = clinux_processor_count() > 1

    /// Looks until something is there, as long as it is worth while; whether there is.
    ///
    /// ``end(at:)`` follows when the wait is over. Never on a lone processor: who is to bring it needs that one.
    mutating func look(for isThere: () -> Bool) -> Bool {
        guard Self.hasSeveralProcessors, begin(at: clinux_monotonic_now()) else { return false }
        repeat {
            if isThere() { return true }
            _ = sched_yield()
        } while looksAgain(at: clinux_monotonic_now())
        return false
    }
}
