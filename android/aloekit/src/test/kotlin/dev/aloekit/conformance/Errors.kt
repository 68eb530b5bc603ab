package dev.aloekit.conformance

import dev.aloekit.AloeException

/** The errors by name: a new one that is missing here fails to compile in [nameOf], and in the cases by count. */
internal object Errors {
    fun make(name: String): AloeException =
        when (name) {
            "ModelMissing" -> AloeException.ModelMissing("model", "p")
            "ModelCorrupt" -> AloeException.ModelCorrupt("p", "r")
            "ModelIncompatible" -> AloeException.ModelIncompatible("p", "r")
            "AdapterMismatch" -> AloeException.AdapterMismatch("p", "r")
            "NotEnoughMemory" -> AloeException.NotEnoughMemory(2u, 1u)
            "ContextExceeded" -> AloeException.ContextExceeded(2u, 1u)
            "Busy" -> AloeException.Busy()
            "Cancelled" -> AloeException.Cancelled()
            "Closed" -> AloeException.Closed()
            "Backgrounded" -> AloeException.Backgrounded()
            "StorageFull" -> AloeException.StorageFull("p")
            "StorageLocked" -> AloeException.StorageLocked("p")
            "StorageCorrupt" -> AloeException.StorageCorrupt("p", "r")
            "StorageDenied" -> AloeException.StorageDenied("p", "r")
            "WrongKey" -> AloeException.WrongKey("p")
            "SchemaTooNew" -> AloeException.SchemaTooNew(2, 1)
            "ImportInvalid" -> AloeException.ImportInvalid(1u, "r")
            "EmbedderChanged" -> AloeException.EmbedderChanged("a", "b")
            "InvalidInput" -> AloeException.InvalidInput("script", "r")
            "NotFound" -> AloeException.NotFound("memory", 1)
            "CallbackFailed" -> AloeException.CallbackFailed("r")
            "Internal" -> AloeException.Internal("r")
            else -> error("the cases name an error that is none: $name")
        }

    fun nameOf(error: AloeException): String =
        when (error) {
            is AloeException.ModelMissing -> "ModelMissing"
            is AloeException.ModelCorrupt -> "ModelCorrupt"
            is AloeException.ModelIncompatible -> "ModelIncompatible"
            is AloeException.AdapterMismatch -> "AdapterMismatch"
            is AloeException.NotEnoughMemory -> "NotEnoughMemory"
            is AloeException.ContextExceeded -> "ContextExceeded"
            is AloeException.Busy -> "Busy"
            is AloeException.Cancelled -> "Cancelled"
            is AloeException.Closed -> "Closed"
            is AloeException.Backgrounded -> "Backgrounded"
            is AloeException.StorageFull -> "StorageFull"
            is AloeException.StorageLocked -> "StorageLocked"
            is AloeException.StorageCorrupt -> "StorageCorrupt"
            is AloeException.StorageDenied -> "StorageDenied"
            is AloeException.WrongKey -> "WrongKey"
            is AloeException.SchemaTooNew -> "SchemaTooNew"
            is AloeException.ImportInvalid -> "ImportInvalid"
            is AloeException.EmbedderChanged -> "EmbedderChanged"
            is AloeException.InvalidInput -> "InvalidInput"
            is AloeException.NotFound -> "NotFound"
            is AloeException.CallbackFailed -> "CallbackFailed"
            is AloeException.Internal -> "Internal"
        }

    /** A field of an error by its name in the cases, `available_mib` for `availableMib`. */
    fun field(
        error: AloeException,
        name: String,
    ): Long {
        val camel = name.split('_').reduce { word, next -> word + next.replaceFirstChar(Char::uppercase) }
        val getter = error.javaClass.methods.single { it.name.startsWith("get" + camel.replaceFirstChar(Char::uppercase)) }
        return (getter.invoke(error) as Long)
    }
}
