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

let package = Package(
    name: "IPCFrame",
    products: [
        .library(name: "IPCFrame", targets: ["IPCFrame"]),
        .library(name: "IPCFrameCodable", targets: ["IPCFrameCodable"]),
        .library(name: "Supervisor", targets: ["Supervisor"]),
        .library(name: "SupervisorService", targets: ["SupervisorService"]),
        .executable(name: "ipc-parent", targets: ["ipc-parent"]),
        .executable(name: "ipc-child", targets: ["ipc-child"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        .target(name: "CLinux", linkerSettings: [.linkedLibrary("dl")]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .target(name: "IPCFrame", dependencies: ["CLinux", "CZlib"], swiftSettings: settings),
        .target(name: "IPCFrameCodable", dependencies: ["IPCFrame"], swiftSettings: settings),
        .target(
            name: "Supervisor",
            dependencies: ["IPCFrame", "CLinux", .product(name: "Logging", package: "swift-log")],
            swiftSettings: settings
        ),
        .target(
            name: "SupervisorService",
            dependencies: [
                "Supervisor", "IPCFrame", .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: settings
        ),
        .target(name: "Tables", dependencies: ["CSQLite", "CZlib"], swiftSettings: settings),
        .executableTarget(
            name: "ipc-parent",
            dependencies: [
                "Supervisor", "IPCFrame", "CLinux",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "ipc-child",
            dependencies: ["IPCFrame", "Tables", "CLinux"],
            swiftSettings: settings
        ),
        .target(name: "AllocationCounter", path: "Tests/AllocationCounter"),
        .testTarget(
            name: "IPCFrameTests",
            dependencies: ["IPCFrame", "CLinux", "CZlib", "AllocationCounter"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "IPCFrameCodableTests",
            dependencies: ["IPCFrameCodable", "IPCFrame"],
            swiftSettings: settings
        ),
        // The worker that the tests of the pool start.
        .executableTarget(
            name: "pool-worker",
            dependencies: ["IPCFrame"],
            path: "Tests/PoolWorker",
            swiftSettings: settings
        ),
        .testTarget(
            name: "SupervisorTests",
            dependencies: [
                "Supervisor", "SupervisorService", "IPCFrame", "CLinux", "ipc-parent", "ipc-child", "pool-worker",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "SupervisorServiceTests",
            dependencies: [
                "SupervisorService", "Supervisor", "IPCFrame", "pool-worker",
                .product(name: "MetricsTestKit", package: "swift-metrics"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings
        ),
        .testTarget(name: "TablesTests", dependencies: ["Tables", "CSQLite"], swiftSettings: settings),
    ],
    swiftLanguageModes: [.v6]
)
