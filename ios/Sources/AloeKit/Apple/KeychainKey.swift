#if canImport(Security)
    import Foundation
    import Security

    /// The key of a store: random bytes, kept in the Keychain of this device and never in a backup or in iCloud.
    public enum KeychainKey {
        static let size = 32

        /// The key under this account, made when it is not there. Blocks: call it off the main actor.
        public static func loadOrCreate(
            account: String = "memory", service: String = "dev.aloekit"
        ) throws -> StoreKey {
            var bytes = try kept(query(account, service))
            defer { bytes.resetBytes(in: 0..<bytes.count) }
            return StoreKey(bytes: bytes)
        }

        private static func kept(_ item: [CFString: Any]) throws -> Data {
            if let key = try load(item) { return key }
            let key = try random()
            let attributes: [CFString: Any] = [
                kSecValueData: key,
                kSecAttrAccessible: kSecAttrAccessibleAfterFirstUnlockThisDeviceOnly,
            ]
            let status = SecItemAdd(item.merging(attributes) { $1 } as CFDictionary, nil)
            // Made by another thread meanwhile: there must be one key only.
            if status == errSecDuplicateItem, let key = try load(item) { return key }
            guard status == errSecSuccess else { throw KeychainError(status: status) }
            return key
        }

        /// Deletes the key; what was encrypted with it cannot be read by anyone from then on.
        public static func delete(account: String = "memory", service: String = "dev.aloekit") throws {
            let status = SecItemDelete(query(account, service) as CFDictionary)
            guard status == errSecSuccess || status == errSecItemNotFound else { throw KeychainError(status: status) }
        }

        private static func query(_ account: String, _ service: String) -> [CFString: Any] {
            [
                kSecClass: kSecClassGenericPassword, kSecAttrAccount: account, kSecAttrService: service,
                kSecUseDataProtectionKeychain: true,
            ]
        }

        private static func load(_ item: [CFString: Any]) throws -> Data? {
            var found: CFTypeRef?
            let status = SecItemCopyMatching(item.merging([kSecReturnData: true]) { $1 } as CFDictionary, &found)
            if status == errSecItemNotFound { return nil }
            guard status == errSecSuccess, let key = found as? Data, key.count == size else {
                throw KeychainError(status: status)
            }
            return key
        }

        private static func random() throws -> Data {
            var bytes = [UInt8](repeating: 0, count: size)
            let status = SecRandomCopyBytes(kSecRandomDefault, size, &bytes)
            guard status == errSecSuccess else { throw KeychainError(status: status) }
            return Data(bytes)
        }
    }

    /// The Keychain refused; `status` is its own number for why, such as `errSecInteractionNotAllowed` on a locked
    /// device.
    public struct KeychainError: Error, Sendable, Equatable {
        /// The Keychain's status.
        public let status: OSStatus
    }
#endif
