// SPDX-License-Identifier: Apache-2.0

/// What libFuzzer calls with each input.
@c(LLVMFuzzerTestOneInput)
public func fuzzCSV(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var input = unsafe FuzzInput(start, count)
    let piece = Int(input.byte()) + 1
    compare(input.rest(), piece: piece) { CSVReader(maximumRecordBytes: 512) }
    return 0
}
