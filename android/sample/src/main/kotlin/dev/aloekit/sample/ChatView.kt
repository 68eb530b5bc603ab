package dev.aloekit.sample

import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.Row
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.lazy.LazyColumn
import androidx.compose.foundation.lazy.items
import androidx.compose.material3.DrawerValue
import androidx.compose.material3.ModalDrawerSheet
import androidx.compose.material3.ModalNavigationDrawer
import androidx.compose.material3.OutlinedTextField
import androidx.compose.material3.Text
import androidx.compose.material3.TextButton
import androidx.compose.material3.rememberDrawerState
import androidx.compose.runtime.Composable
import androidx.compose.runtime.collectAsState
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.remember
import androidx.compose.runtime.rememberCoroutineScope
import androidx.compose.runtime.setValue
import androidx.compose.ui.Alignment
import androidx.compose.ui.Modifier
import androidx.compose.ui.unit.dp
import kotlinx.coroutines.launch
import java.io.File

/** The chat, with a drawer of what is known of the user. */
@Composable
fun ChatView(
    model: ChatModel,
    exportFile: (name: String) -> File,
) {
    val screen by model.screen.collectAsState()
    val drawer = rememberDrawerState(DrawerValue.Closed)
    val scope = rememberCoroutineScope()
    ModalNavigationDrawer(
        drawerState = drawer,
        drawerContent = { ModalDrawerSheet { PersonaView(screen, model, exportFile) } },
    ) {
        Column(Modifier.padding(16.dp)) {
            TextButton(onClick = { scope.launch { drawer.open() } }) { Text("What I know about you") }
            LazyColumn(Modifier.weight(1f), verticalArrangement = Arrangement.spacedBy(8.dp)) {
                items(screen.bubbles) { BubbleView(it, model) }
            }
            screen.notice?.let { Text(it) }
            MessageField(screen.answering, model)
        }
    }
}

@Composable
private fun BubbleView(
    bubble: Bubble,
    model: ChatModel,
) {
    var explained by remember { mutableStateOf(false) }
    val side = if (bubble.fromUser) Alignment.End else Alignment.Start
    Column(Modifier.fillMaxWidth(), horizontalAlignment = side) {
        Text(bubble.text)
        if (bubble.because.isNotEmpty()) {
            TextButton(onClick = { explained = !explained }) { Text("Why this answer") }
        }
        if (explained) {
            bubble.because.forEach { Text("You said: “${it.words}” (${it.why})") }
        }
        bubble.turn?.let { RatingView(it, bubble, model) }
    }
}

@Composable
private fun MessageField(
    answering: Boolean,
    model: ChatModel,
) {
    var text by remember { mutableStateOf("") }
    Row(verticalAlignment = Alignment.CenterVertically) {
        OutlinedTextField(text, onValueChange = { text = it }, modifier = Modifier.weight(1f))
        if (answering) {
            TextButton(onClick = model::stop) { Text("Stop") }
        } else {
            TextButton(onClick = {
                model.send(text)
                text = ""
            }) { Text("Send") }
        }
    }
}
