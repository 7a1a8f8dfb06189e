// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableUpcomingFeature("InferIsolatedConformances"),
    .strictMemorySafety(),
]

// A package of its own: who uses IPCFrame does not build a web server.
let package = Package(
    name: "Examples",
    dependencies: [
        .package(name: "IPCFrame", path: ".."),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    ],
    targets: [
        .target(name: "HeavyWork", swiftSettings: settings),
        .executableTarget(
            name: "heavy-service",
            dependencies: [
                "HeavyWork",
                .product(name: "IPCFrame", package: "IPCFrame"),
                .product(name: "Supervisor", package: "IPCFrame"),
                .product(name: "SupervisorService", package: "IPCFrame"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "heavy-worker",
            dependencies: ["HeavyWork", .product(name: "IPCFrame", package: "IPCFrame")],
            swiftSettings: settings
        ),
        .executableTarget(name: "latency-bench", swiftSettings: settings),
    ],
    swiftLanguageModes: [.v6]
)
