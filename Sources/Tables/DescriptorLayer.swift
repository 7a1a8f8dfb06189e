// SPDX-License-Identifier: Apache-2.0

internal import CSQLite
internal import Glibc

/// An SQLite file layer (VFS) for a database that only its descriptor knows; the database's path is the number.
///
/// SQLite's own layer opens paths, and refuses the links in /proc. Nobody else can reach such a file, so locks have
/// nothing to do, and it must be used without a journal. Temporary files go to the usual layer.
enum DescriptorLayer {
    /// The name under which SQLite knows the layer.
    static let name = "ipcframe-descriptor"

    /// What SQLite allocates for an open file of ours: its own part first, as it demands.
    @safe
    private struct File {
        var base: sqlite3_file
        var descriptor: CInt
    }

    /// Registers the layer with SQLite, once a process; what is allocated for it lives as long.
    static let isRegistered: Bool = {
        guard let usual = unsafe sqlite3_vfs_find(nil), let text = unsafe strdup(name) else { return false }
        let layer = UnsafeMutablePointer<sqlite3_vfs>.allocate(capacity: 1)
        unsafe layer.initialize(to: usual.pointee)
        unsafe layer.pointee.zName = UnsafePointer(text)
        unsafe layer.pointee.pNext = nil
        unsafe layer.pointee.szOsFile = max(usual.pointee.szOsFile, CInt(MemoryLayout<File>.size))
        unsafe layer.pointee.xFullPathname = { _, path, size, output in
            guard let path = unsafe path, let output = unsafe output else { return SQLITE_CANTOPEN }
            let count = unsafe strlen(path) + 1
            guard count <= Int(size) else { return SQLITE_CANTOPEN }
            unsafe memcpy(output, path, count)
            return SQLITE_OK
        }
        unsafe layer.pointee.xOpen = { layer, path, file, flags, outFlags in
            guard flags & SQLITE_OPEN_MAIN_DB != 0, let path = unsafe path else {
                return unsafe sqlite3_vfs_find(nil)?.pointee.xOpen?(layer, path, file, flags, outFlags) ?? SQLITE_ERROR
            }
            guard let file = unsafe file, let methods = unsafe methods else { return SQLITE_CANTOPEN }
            // SQLite allocated `szOsFile` bytes here.
            unsafe UnsafeMutableRawPointer(file).initializeMemory(
                as: File.self,
                to: File(base: sqlite3_file(pMethods: methods), descriptor: atoi(path))
            )
            unsafe outFlags?.pointee = flags
            return SQLITE_OK
        }
        // Only files of the usual layer have a journal or a log beside them.
        unsafe layer.pointee.xAccess = { _, _, _, exists in
            unsafe exists?.pointee = 0
            return SQLITE_OK
        }
        unsafe layer.pointee.xDelete = { _, _, _ in SQLITE_OK }
        return unsafe sqlite3_vfs_register(layer, 0) == SQLITE_OK
    }()

    private nonisolated(unsafe) static let methods: UnsafePointer<sqlite3_io_methods>? = {
        var table = sqlite3_io_methods()
        table.iVersion = 1
        unsafe table.xClose = { _ in SQLITE_OK }  // the descriptor is somebody else's
        unsafe table.xRead = { file, buffer, count, offset in
            guard let file = unsafe file, let buffer = unsafe buffer else { return SQLITE_IOERR }
            return unsafe read(descriptor(file), buffer, Int(count), offset)
        }
        unsafe table.xWrite = { file, buffer, count, offset in
            guard let file = unsafe file, let buffer = unsafe buffer else { return SQLITE_IOERR }
            return unsafe write(descriptor(file), buffer, Int(count), offset)
        }
        unsafe table.xTruncate = { file, size in
            guard let file = unsafe file else { return SQLITE_IOERR }
            return unsafe ftruncate(descriptor(file), Int(size)) == 0 ? SQLITE_OK : SQLITE_IOERR
        }
        unsafe table.xSync = { _, _ in SQLITE_OK }  // the owner syncs once, before it publishes
        unsafe table.xFileSize = { file, size in
            guard let file = unsafe file else { return SQLITE_IOERR }
            var status = stat()
            guard unsafe fstat(descriptor(file), &status) == 0 else { return SQLITE_IOERR }
            unsafe size?.pointee = sqlite3_int64(status.st_size)
            return SQLITE_OK
        }
        unsafe table.xLock = { _, _ in SQLITE_OK }
        unsafe table.xUnlock = { _, _ in SQLITE_OK }
        unsafe table.xCheckReservedLock = { _, isReserved in
            unsafe isReserved?.pointee = 0
            return SQLITE_OK
        }
        unsafe table.xFileControl = { _, _, _ in SQLITE_NOTFOUND }
        unsafe table.xSectorSize = { _ in 4096 }
        unsafe table.xDeviceCharacteristics = { _ in 0 }
        let shared = UnsafeMutablePointer<sqlite3_io_methods>.allocate(capacity: 1)
        unsafe shared.initialize(to: table)
        return unsafe UnsafePointer(shared)
    }()

    /// The descriptor of a file that `xOpen` made.
    @unsafe private static func descriptor(_ file: UnsafeMutablePointer<sqlite3_file>) -> CInt {
        unsafe UnsafeMutableRawPointer(file).assumingMemoryBound(to: File.self).pointee.descriptor
    }

    @unsafe private static func read(
        _ descriptor: CInt,
        _ buffer: UnsafeMutableRawPointer,
        _ count: Int,
        _ offset: sqlite3_int64
    ) -> CInt {
        var done = 0
        while done < count {
            let step = unsafe pread(descriptor, buffer + done, count - done, off_t(offset) + done)
            if step < 0 {
                if errno == EINTR { continue }
                return SQLITE_IOERR | 1 << 8  // SQLITE_IOERR_READ
            }
            if step == 0 {
                // SQLite wants the rest as zeros.
                unsafe memset(buffer + done, 0, count - done)
                return SQLITE_IOERR | 2 << 8  // SQLITE_IOERR_SHORT_READ
            }
            done += step
        }
        return SQLITE_OK
    }

    @unsafe private static func write(
        _ descriptor: CInt,
        _ buffer: UnsafeRawPointer,
        _ count: Int,
        _ offset: sqlite3_int64
    ) -> CInt {
        var done = 0
        while done < count {
            let step = unsafe pwrite(descriptor, buffer + done, count - done, off_t(offset) + done)
            if step < 0 {
                if errno == EINTR { continue }
                return errno == ENOSPC || errno == EDQUOT ? SQLITE_FULL : SQLITE_IOERR | 3 << 8  // SQLITE_IOERR_WRITE
            }
            done += step
        }
        return SQLITE_OK
    }
}
