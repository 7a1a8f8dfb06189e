// SPDX-License-Identifier: Apache-2.0

/// An object of workload W4.
struct Station: Equatable, Sendable {
    var id = 0
    var name = ""
    var latitude = 0.0
    var longitude = 0.0
    var kind = ""
    var isMain = false
    var revision = 0
    var lines: [String] = []
}

extension Station {
    init(parsing json: inout JSONScanner) throws {
        self.init()
        var keys = 0
        try json.object { key, json in
            keys += 1
            switch key {
            case "id": id = try json.integer()
            case "name": name = try json.string()
            case "lat": latitude = try json.number()
            case "lon": longitude = try json.number()
            case "kind": kind = try json.string()
            case "main": isMain = try json.boolean()
            case "rev": revision = try json.integer()
            case "lines": lines = try json.strings()
            default: throw BenchError("a station has no '\(key)'")
            }
        }
        guard keys == 8 else { throw BenchError("a station has 8 values, not \(keys)") }
    }

    /// Appends a line.
    func append(to bytes: inout [UInt8]) {
        bytes.append(json: "{\"id\":", id)
        bytes.append(json: ",\"name\":", name)
        bytes.append(json: ",\"lat\":", latitude)
        bytes.append(json: ",\"lon\":", longitude)
        bytes.append(json: ",\"kind\":", kind)
        bytes.append(utf8: isMain ? ",\"main\":true" : ",\"main\":false")
        bytes.append(json: ",\"rev\":", revision)
        bytes.append(utf8: ",\"lines\":[")
        var comma: StaticString = ""
        for line in lines {
            bytes.append(json: comma, line)
            comma = ","
        }
        bytes.append(utf8: "]}\n")
    }
}

/// What the child of workload W4 answers: a new revision.
struct StationChange: Equatable, Sendable {
    var index = 0
    var id = 0
    var old = 0
    var value = 0

    /// One for every 8th station.
    static func changes(of stations: [Station]) -> [StationChange] {
        stride(from: 0, to: stations.count, by: 8).map { index in
            let revision = stations[index].revision
            return StationChange(index: index, id: stations[index].id, old: revision, value: revision + 1)
        }
    }
}

extension StationChange {
    init(parsing json: inout JSONScanner) throws {
        self.init()
        var keys = 0
        try json.object { key, json in
            keys += 1
            switch key {
            case "op": guard try json.string() == "replace" else { throw BenchError("not a 'replace'") }
            case "path": guard try json.string() == "/rev" else { throw BenchError("not at '/rev'") }
            case "index": index = try json.integer()
            case "id": id = try json.integer()
            case "old": old = try json.integer()
            case "value": value = try json.integer()
            default: throw BenchError("a change has no '\(key)'")
            }
        }
        guard keys == 6 else { throw BenchError("a change has 6 values, not \(keys)") }
    }

    /// Appends a line.
    func append(to bytes: inout [UInt8]) {
        bytes.append(json: "{\"op\":\"replace\",\"index\":", index)
        bytes.append(json: ",\"id\":", id)
        bytes.append(json: ",\"path\":\"/rev\",\"old\":", old)
        bytes.append(json: ",\"value\":", value)
        bytes.append(utf8: "}\n")
    }
}
