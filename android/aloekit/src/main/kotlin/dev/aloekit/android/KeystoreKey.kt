package dev.aloekit.android

import android.content.Context
import android.security.keystore.KeyGenParameterSpec
import android.security.keystore.KeyProperties
import dev.aloekit.StoreKey
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.withContext
import java.io.File
import java.io.FileOutputStream
import java.security.KeyStore
import java.security.SecureRandom
import javax.crypto.Cipher
import javax.crypto.KeyGenerator
import javax.crypto.SecretKey
import javax.crypto.spec.GCMParameterSpec

/** The key of a store: random bytes in a file, wrapped by a key that never leaves the Android Keystore. */
public object KeystoreKey {
    private const val STORE = "AndroidKeyStore"
    private const val TRANSFORMATION = "AES/GCM/NoPadding"
    private const val KEY_BYTES = 32
    private const val TAG_BITS = 128
    private const val IV_BYTES = 12

    /** The key under this alias, made when it is not there. */
    public suspend fun loadOrCreate(
        context: Context,
        alias: String = "aloekit",
    ): StoreKey =
        withContext(Dispatchers.IO) {
            synchronized(this@KeystoreKey) {
                val file = File(context.noBackupFilesDir, "aloekit/$alias.key")
                val bytes = if (file.isFile) unwrap(file.readBytes(), alias) else create(file, alias)
                try {
                    StoreKey(bytes)
                } finally {
                    bytes.fill(0)
                }
            }
        }

    private fun create(
        file: File,
        alias: String,
    ): ByteArray {
        val key = ByteArray(KEY_BYTES).also { SecureRandom().nextBytes(it) }
        val cipher = Cipher.getInstance(TRANSFORMATION).apply { init(Cipher.ENCRYPT_MODE, wrapping(alias)) }
        file.parentFile?.mkdirs()
        // On the disk, then renamed into place: half a wrapped key would be a lost store.
        val unfinished = File(file.path + ".part")
        FileOutputStream(unfinished).use {
            it.write(cipher.iv + cipher.doFinal(key))
            it.fd.sync()
        }
        check(unfinished.renameTo(file)) { "the key could not be kept" }
        return key
    }

    private fun unwrap(
        wrapped: ByteArray,
        alias: String,
    ): ByteArray {
        val iv = GCMParameterSpec(TAG_BITS, wrapped, 0, IV_BYTES)
        val cipher = Cipher.getInstance(TRANSFORMATION).apply { init(Cipher.DECRYPT_MODE, wrapping(alias), iv) }
        return cipher.doFinal(wrapped, IV_BYTES, wrapped.size - IV_BYTES)
    }

    private fun wrapping(alias: String): SecretKey {
        val store = KeyStore.getInstance(STORE).apply { load(null) }
        (store.getKey(alias, null) as SecretKey?)?.let { return it }
        val purposes = KeyProperties.PURPOSE_ENCRYPT or KeyProperties.PURPOSE_DECRYPT
        val spec =
            KeyGenParameterSpec
                .Builder(alias, purposes)
                .setBlockModes(KeyProperties.BLOCK_MODE_GCM)
                .setEncryptionPaddings(KeyProperties.ENCRYPTION_PADDING_NONE)
                .build()
        return KeyGenerator.getInstance(KeyProperties.KEY_ALGORITHM_AES, STORE).apply { init(spec) }.generateKey()
    }
}
