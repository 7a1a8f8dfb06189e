// SPDX-License-Identifier: Apache-2.0
internal import CLinux
internal import Glibc

/// The memory that both ends of a connection share, mapped here; unmapped when nobody uses it any more.
///
/// Each side writes into its own half and reads the other's, which can change at any time: bytes are copied out before
/// anybody looks at them.
@safe final class ArenaRegion: @unchecked Sendable {
    // Safe: constant, and valid as long as this object. Who writes to a slot is the business of `ArenaSlots`.
    private let base: UnsafeMutableRawPointer
    private let ownStart: Int
    private let peersStart: Int

    private static let half = ArenaLayout.byteCount / 2

    /// Maps a region that was received or made.
    ///
    /// - Throws: EINVAL, EPERM or ERANGE of `check` when it is not what it must be.
    init(mapping descriptor: CInt, isParent: Bool) throws(SystemError) {
        try SystemError.check("arena", clinux_arena_check(descriptor, ArenaLayout.byteCount))
        ownStart = isParent ? 0 : Self.half
        peersStart = isParent ? Self.half : 0
        var base: UnsafeMutableRawPointer?
        let result = unsafe clinux_arena_map(descriptor, ArenaLayout.byteCount, ownStart, Self.half, &base)
        try SystemError.check("mmap", result)
        guard let base = unsafe base else { throw SystemError(call: "mmap", errno: ENOMEM) }
        unsafe self.base = base
    }

    /// A new region, and the descriptor that the other end needs.
    static func make() throws(SystemError) -> (region: ArenaRegion, descriptor: PassedDescriptor) {
        let file = try SystemError.check("memfd_create", clinux_arena_create(ArenaLayout.byteCount))
        let descriptor = PassedDescriptor(adopting: file)
        return (try ArenaRegion(mapping: file, isParent: true), descriptor)
    }

    /// Child: maps the region whose descriptor has come with ARENA; nil where this process cannot have it, and everything
    /// comes inline.
    ///
    /// - Throws: a violation when the descriptor did not come, or is not what it must be.
    static func adopt(from descriptors: inout ReceivedDescriptors) throws(ProtocolViolation) -> ArenaRegion? {
        guard let descriptor = descriptors.take() else {
            guard !descriptors.wereLost else { return nil }
            throw refused("the arena's descriptor did not come")
        }
        let result = descriptor.withRawValue { file in
            Result<ArenaRegion, SystemError> { () throws(SystemError) in
                try ArenaRegion(mapping: file, isParent: false)
            }
        }
        switch result {
        case .success(let region): return region
        case .failure(let error) where isPeersFault(error): throw refused(fault(error))
        case .failure: return nil
        }
    }

    private static func refused(_ detail: String) -> ProtocolViolation {
        ProtocolViolation(.badDescriptors, frameType: FrameType.arena.rawValue, detail: detail)
    }

    deinit { unsafe clinux_arena_unmap(base, ArenaLayout.byteCount) }

    /// Whether a failure of ``init(mapping:isParent:)`` is the other end's fault.
    private static func isPeersFault(_ error: SystemError) -> Bool { error.call == "arena" }

    /// What is wrong with a region, for a person.
    private static func fault(_ error: SystemError) -> String {
        switch error.errno {
        case EPERM: "the arena's seals are not SHRINK, GROW and SEAL"
        case ERANGE: "the arena does not have \(ArenaLayout.byteCount) bytes"
        default: "the arena is no memory file"
        }
    }

    /// Gives the memory of our half back to the system, until it is written to again.
    ///
    /// Call while no slot of ours is held.
    func release() {
        // Inside the mapping, and nobody reads or writes there.
        unsafe clinux_arena_release(base + ownStart, Self.half)
    }

    /// Copies `bytes` into one of our slots.
    func write(_ bytes: ArraySlice<UInt8>, to slot: Int) {
        precondition(slot < ArenaLayout.slots && bytes.count <= ArenaLayout.slotBytes, "a chunk must fit into its slot")
        unsafe bytes.withUnsafeBytes { source in
            guard let start = source.baseAddress else { return }
            // Inside our half, as checked above.
            _ = unsafe memcpy(base + ownStart + slot * ArenaLayout.slotBytes, start, source.count)
        }
    }

    /// Smaller chunks than this go inline: for a few bytes a slot is not worth holding.
    static let smallestChunk = 32 << 10

    /// Copies `bytes` into the first of `slots`; nil if there is none, or if they are not worth it.
    func chunk(_ bytes: ArraySlice<UInt8>, in slots: SlotSet, isFlush: Bool) -> Chunk? {
        guard let slot = slots.first, bytes.count >= Self.smallestChunk else { return nil }
        write(bytes, to: slot)
        return Chunk(in: ArenaPlace(slot: slot, count: bytes.count), isFlush: isFlush)
    }

    /// Copies a chunk out of one of the other side's slots.
    func read(_ place: ArenaPlace) -> [UInt8] {
        // memcpy fills what the array says it has.
        unsafe [UInt8](unsafeUninitializedCapacity: place.count) { buffer, count in
            if let target = buffer.baseAddress { _ = unsafe memcpy(target, start(of: place), place.count) }
            count = place.count
        }
    }

    /// Copies a chunk out of one of the other side's slots to where there is room for it.
    func read(_ place: ArenaPlace, to room: UnsafeMutableRawBufferPointer) {
        precondition(place.count <= room.count, "a chunk is copied where there is room for it")
        // As above: inside a slot, and changed by nobody once it is copied.
        if let target = room.baseAddress { _ = unsafe memcpy(target, start(of: place), place.count) }
    }

    /// Copies a chunk out of one of the other side's slots, behind what is in `bytes`.
    func read(_ place: ArenaPlace, appendingTo bytes: inout [UInt8]) {
        // The other side may change them while they are copied; what was copied does not change any more.
        let source = unsafe UnsafeRawBufferPointer(start: start(of: place), count: place.count)
        unsafe bytes.append(contentsOf: source)
    }

    /// `ArenaPlace` has checked that it lies inside a slot.
    private func start(of place: ArenaPlace) -> UnsafeMutableRawPointer {
        unsafe base + peersStart + place.slot * ArenaLayout.slotBytes + place.offset
    }
}
