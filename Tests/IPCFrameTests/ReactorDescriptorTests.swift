// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import Synchronization
import Testing

@testable import IPCFrame

/// What a test's handlers saw, in order.
final class Journal: Sendable {
    private let lines = Mutex<[String]>([])
    func write(_ line: String) { lines.withLock { $0.append(line) } }
    var all: [String] { lines.withLock { $0 } }

    /// Waits until `count` lines are there.
    func wait(for count: Int) async { while all.count < count { await Task.yield() } }
}

/// A pipe whose ends the test closes itself.
struct Pipe {
    let reader: CInt
    let writer: CInt

    init() {
        var ends: [CInt] = [-1, -1]
        unsafe precondition(pipe(&ends) == 0)
        (reader, writer) = (ends[0], ends[1])
    }

    func send() { _ = unsafe write(writer, "x", 1) }

    func receive() {
        var byte: UInt8 = 0
        _ = unsafe read(reader, &byte, 1)
    }
}

@Suite struct ReactorDescriptorTests {
    let reactor = Reactor()
    let journal = Journal()
    let pipe = Pipe()

    init() { reactor.start() }

    @Test func readinessIsReportedUntilItIsConsumed() async {
        let (journal, pipe, reactor) = (journal, pipe, reactor)
        pipe.send()
        await reactor.run {
            let count = Mutex(0)
            _ = try? reactor.register(pipe.reader, .read) { readiness in
                journal.write("\(readiness.rawValue)")
                let calls = count.withLock { value in
                    value += 1
                    return value
                }
                if calls == 3 { pipe.receive() }
            }
        }
        await journal.wait(for: 3)
        await reactor.run {}
        #expect(journal.all == ["1", "1", "1"])
        reactor.stop()
    }

    @Test func aMutedDescriptorIsSilentEvenWhenThePeerHangsUp() async {
        let (journal, pipe, reactor) = (journal, pipe, reactor)
        let registration = await reactor.run {
            try? reactor.register(pipe.reader, []) { journal.write("\($0.rawValue)") }
        }
        close(pipe.writer)
        for _ in 0..<50 { await reactor.run {} }
        #expect(journal.all == [])
        let unmuted = registration
        await reactor.run { if let unmuted { reactor.modify(unmuted, .read) } }
        await journal.wait(for: 1)
        await reactor.run { if let unmuted { reactor.modify(unmuted, []) } }
        let count = journal.all.count
        for _ in 0..<50 { await reactor.run {} }
        #expect(journal.all.count == count)
        #expect(journal.all.first == "4")
        reactor.stop()
    }

    @Test func aHandlerThatWasUnregisteredIsNotCalledForAnEventAlreadyFetched() async {
        let (journal, reactor) = (journal, reactor)
        let (first, second) = (Pipe(), Pipe())
        await reactor.run {
            let registrations = Mutex<[Reactor.Registration]>([])
            // Whichever is called first silences both.
            func silence() {
                journal.write("called")
                for registration in registrations.withLock({ $0 }) { reactor.unregister(registration) }
            }
            for pipe in [first, second] {
                pipe.send()
                if let made = try? reactor.register(pipe.reader, .read, { _ in silence() }) {
                    registrations.withLock { $0.append(made) }
                }
            }
        }
        await journal.wait(for: 1)
        for _ in 0..<10 { await reactor.run {} }
        #expect(journal.all == ["called"])
        reactor.stop()
    }

    @Test func aSlotIsReusedButAnOldRegistrationIsNot() async throws {
        let (pipe, reactor) = (pipe, reactor)
        let ids = await reactor.run {
            (0..<3).compactMap { _ -> Reactor.Registration? in
                guard let made = try? reactor.register(pipe.reader, .read, { _ in }) else { return nil }
                reactor.unregister(made)
                return made
            }
        }
        #expect(Set(ids).count == 3)
        #expect(Set(ids.map(\.slot)).count == 1)
        reactor.stop()
    }

    @Test func aRegularFileCannotBeWatchedAndTheErrorSaysSo() async throws {
        let reactor = reactor
        let file = unsafe open("/proc/self/exe", O_RDONLY | O_CLOEXEC)
        let error = await reactor.run { () -> SystemError? in
            do throws(SystemError) {
                _ = try reactor.register(file, .read) { _ in }
                return nil
            } catch {
                return error
            }
        }
        #expect(error == SystemError(call: "epoll_ctl", errno: EPERM))
        #expect(error?.description == "epoll_ctl: Operation not permitted")
        close(file)
        reactor.stop()
    }

    @Test func nothingIsCalledAfterStop() async {
        let (journal, pipe, reactor) = (journal, pipe, reactor)
        await reactor.run {
            _ = try? reactor.register(pipe.reader, .read) { _ in journal.write("read") }
            _ = reactor.schedule(at: .now + .milliseconds(1)) { journal.write("timer") }
            reactor.stop()
        }
        pipe.send()
        for _ in 0..<20 { await reactor.run { _ = usleep(500) } }
        #expect(journal.all == [])
    }
}

@Suite struct ReactorTimerTests {
    @Test func timersFireInTheOrderOfTheirMomentsThenOfTheirMaking() async {
        let reactor = Reactor()
        let journal = Journal()
        reactor.start()
        await reactor.run {
            let base = ContinuousMoment.now
            for (name, delay) in [("c", 6), ("a", 2), ("b1", 4), ("b2", 4), ("past", -5)] {
                _ = reactor.schedule(at: base + .milliseconds(delay)) {
                    #expect(ContinuousMoment.now >= base + .milliseconds(delay))
                    journal.write(name)
                }
            }
        }
        await journal.wait(for: 5)
        #expect(journal.all == ["past", "a", "b1", "b2", "c"])
        reactor.stop()
    }

    @Test func aCancelledTimerDoesNotFireAndCancellingTwiceIsHarmless() async {
        let reactor = Reactor()
        let journal = Journal()
        reactor.start()
        await reactor.run {
            let now = ContinuousMoment.now
            let doomed = reactor.schedule(at: now + .milliseconds(2)) { journal.write("doomed") }
            _ = reactor.schedule(at: now + .milliseconds(1)) {
                reactor.cancel(doomed)
                reactor.cancel(doomed)
            }
            _ = reactor.schedule(at: now + .milliseconds(4)) { journal.write("last") }
        }
        await journal.wait(for: 1)
        #expect(journal.all == ["last"])
        reactor.stop()
    }

    @Test func aTimerThatReschedulesItselfForNowDoesNotStarveTheRest() async {
        let reactor = Reactor()
        let isOver = Atomic(false)
        reactor.start()
        await reactor.run {
            func again() {
                _ = reactor.schedule(at: .now) { if !isOver.load(ordering: .relaxed) { again() } }
            }
            again()
        }
        await reactor.run { isOver.store(true, ordering: .relaxed) }
        reactor.stop()
    }

    @Test func aHundredThousandCancelledTimersLeaveNoMemoryBehind() {
        var timers = ReactorTimers()
        let now = ContinuousMoment(nanoseconds: 1_000)
        let kept = timers.add(at: now + .seconds(3600)) {}
        for step in 0..<100_000 { timers.cancel(timers.add(at: now + .seconds(1 + step % 7200)) {}) }
        #expect(timers.count == 1)
        #expect(timers.entryCount <= 65)
        timers.cancel(kept)
        #expect(timers.next == nil)
    }

    @Test func theHeapSortsWhateverOrderTimersComeIn() {
        var timers = ReactorTimers()
        var generator = SystemRandomNumberGenerator()
        var expected: [UInt64] = []
        var seen: [UInt64] = []
        for _ in 0..<2_000 {
            let moment = UInt64.random(in: 0..<500, using: &generator)
            let timer = timers.add(at: ContinuousMoment(nanoseconds: moment)) { seen.append(moment) }
            if Bool.random() { timers.cancel(timer) } else { expected.append(moment) }
        }
        while let handler = timers.popDue(at: .distantFuture, upTo: timers.youngest) { handler() }
        #expect(seen == expected.sorted())
    }
}

@Suite struct MomentTests {
    @Test func arithmeticSticksToTheEndsOfTheScale() {
        let start = ContinuousMoment(nanoseconds: 5_000)
        #expect(start + .microseconds(2) == ContinuousMoment(nanoseconds: 7_000))
        #expect(start + .microseconds(-2) == ContinuousMoment(nanoseconds: 3_000))
        #expect(start + .seconds(-1) == ContinuousMoment(nanoseconds: 0))
        #expect(start + .seconds(Int64.max) + .seconds(Int64.max) == .distantFuture)
        #expect(ContinuousMoment(nanoseconds: 3_000) - start == .nanoseconds(-2_000))
    }

    @Test func theClockMovesForward() {
        let first = ContinuousMoment.now
        let second = ContinuousMoment.now
        #expect(first <= second && first.nanoseconds > 0)
    }
}

@Suite struct OwnedDescriptorTests {
    @Test func theDescriptorIsClosedWhenItsOwnerGoes() {
        let pipe = Pipe()
        do { _ = OwnedDescriptor(adopting: pipe.reader) }
        #expect(fcntl(pipe.reader, F_GETFD) == -1)
        close(pipe.writer)
    }

    @Test func aReleasedDescriptorStaysOpen() {
        let pipe = Pipe()
        let number = OwnedDescriptor(adopting: pipe.reader).release()
        #expect(fcntl(number, F_GETFD) >= 0)
        close(pipe.reader)
        close(pipe.writer)
    }

    @Test func closingReportsTheError() throws {
        let error = #expect(throws: SystemError.self) { try OwnedDescriptor(adopting: 1_000_000).close() }
        #expect(error?.description == "close: Bad file descriptor")
    }
}
