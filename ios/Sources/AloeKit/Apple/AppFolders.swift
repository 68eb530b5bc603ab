#if canImport(Darwin)
    import Foundation

    /// Where an app keeps what belongs to its user: in Application Support, and in no backup.
    ///
    /// With a key, memory and snapshots are encrypted: ``KeychainKey`` keeps one. Without, they are as safe as the app's
    /// container: other apps cannot read them, and the device's passcode protects them as the protection class says.
    public struct AppFolders: Sendable {
        /// The folder of everything below.
        public let root: URL

        /// Makes the folder, protected and left out of backups.
        ///
        /// With the default class, files can be read from the first unlock after a start of the device on, so that a
        /// task in the background may go on when the screen is locked. `.complete` is stricter: calls made while the
        /// device is locked then end with ``AloeError/storageDenied(path:reason:)``.
        public init(
            name: String = "AloeKit", protection: FileProtectionType = .completeUntilFirstUserAuthentication
        ) throws {
            let support = try FileManager.default.url(
                for: .applicationSupportDirectory, in: .userDomainMask, appropriateFor: nil, create: true)
            var folder = support.appendingPathComponent(name, isDirectory: true)
            // Files take over the class of the folder in which they are made, SQLite's own among them.
            try FileManager.default.createDirectory(
                at: folder, withIntermediateDirectories: true, attributes: [.protectionKey: protection])
            try FileManager.default.setAttributes([.protectionKey: protection], ofItemAtPath: folder.path)
            var values = URLResourceValues()
            values.isExcludedFromBackup = true
            try folder.setResourceValues(values)
            root = folder
        }

        /// Marks a load under way, for ``Assistant/open(_:guard:)``.
        public var guarding: LoadGuard { LoadGuard(marker: root.appendingPathComponent("loading")) }

        /// Parameters with memory and snapshots in their places.
        public func params(
            _ engine: EngineParams, embedder: EmbedderParams? = nil, key: StoreKey? = nil
        ) -> AssistantParams {
            AssistantParams(
                engine: engine, memory: root.appendingPathComponent("memory.db").path, embedder: embedder,
                snapshots: root.appendingPathComponent("snapshots").path, key: key)
        }
    }
#endif
