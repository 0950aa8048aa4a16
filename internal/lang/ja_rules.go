package lang

// jaRules has the sentences of findings (package detect), and what to do.
var jaRules = map[string]string{
	// Whom a finding is about.
	"client %q, at %s,":           "クライアント %q（%s）",
	"client %q":                   "クライアント %q",
	"each of more than %d others": "%d を超えるほかの送信元それぞれ",
	"once":                        "1 回",
	"%d times":                    "%d 回",
	"%s times":                    "%s 回",
	"%s.":                         "%s。",
	"What to do: %s":              "対処: %s",
	"this host":                   "このホスト",
	"source %s":                   "送信元 %s",
	"client %s":                   "クライアント %s",
	"door %s":                     "ドア %s",
	"at %s":                       "%s",
	"%s from %s to %s":            "%s、%s から %s まで",
	" (acknowledged by %s, %s)":   "（%s が %s に確認済み）",
	" (acknowledged)":             "（確認済み）",
	"No findings.":                "検出事項はありません。",
	"CRITICAL":                    "緊急",
	"HIGH":                        "高",
	"MEDIUM":                      "中",
	"LOW":                         "低",
	"INFO":                        "情報",

	"%s has touched many closed ports within a short time: a port scan":                                      "%s が短時間に多数の閉じたポートに触れました。ポートスキャンです",
	"Nothing is open to it: a scan opens no door. If the address is one of yours, find out what runs there.": "スキャンでドアが開くことはなく、この送信元には何も開いていません。自組織のアドレスなら、そこで何が動いているかを調べてください。",

	"%s touches one closed port after the other, slowly enough to pass for noise: a patient port scan":                               "%s が閉じたポートに一つずつ、雑音に紛れるほどゆっくり触れています。時間をかけたポートスキャンです",
	"Someone takes the time to look at this host unnoticed. Nothing is open to it; look whether the address turns up in other logs.": "気づかれないように、時間をかけてこのホストを調べている者がいます。この送信元には何も開いていません。ほかのログにも同じアドレスがないか確認してください。",

	"many sources touch closed ports at the same time, each of them little: a scan spread over many addresses":                    "多数の送信元が、それぞれ少しずつ、同時に閉じたポートに触れています。多数のアドレスに分散したスキャンです",
	"Nothing is open to them. If all of them look for the same port, read the news about the program that usually listens there.": "これらの送信元には何も開いていません。どれも同じポートを探しているなら、そのポートを使うプログラムの脆弱性情報を確認してください。",

	"%s begins sequences and breaks them off again and again: someone guesses":                                                      "%s がシーケンスを始めては途中で外すことを繰り返しています。推測による攻撃です",
	"The first knock is known there, or easily guessed. Change the sequence (sallyport door rotate), or open the door by SPA only.": "最初のノックが知られているか、推測しやすい値です。シーケンスを変更する（sallyport door rotate）か、ドアを SPA だけで開くようにしてください。",

	"many sources begin sequences, break them off and never get in: someone guesses from many addresses":                 "多数の送信元がシーケンスを始めては途中で外し、どれも許可を得ていません。多数のアドレスからの推測です",
	"Change the first knocks (sallyport door rotate), which are known or easily guessed, or open the doors by SPA only.": "最初のノックが知られているか、推測しやすい値です。シーケンスを変更する（sallyport door rotate）か、ドアを SPA だけで開くようにしてください。",

	"a sequence":              "シーケンス",
	"the sequence of door %q": "ドア %q のシーケンス",
	"the rotating sequence of client %q for door %q":                             "クライアント %q のドア %q 用ローテーション式シーケンス",
	"%s The command: %s":                                                         "%s 実行するコマンド: %s",
	"%s knocked %s right but for its last knock, and did not get in":             "%s が%sの最後のノックだけを外し、許可を得られませんでした",
	"%s knows %s but for its last knock: part of the secret is no longer secret": "%s は、最後のノックを除いて%sを知っています。秘密の一部が漏れています",
	"Ask those who know the sequence whether it was a mistake. If not, change it at once, and use SPA, of which nobody on the way learns anything.": "シーケンスを知っている人に、打ち間違いかどうかを確認してください。違うなら、すぐに変更し、途中で盗聴されても何も漏れない SPA に移行してください。",

	"%s has repeated a message, or a sequence that works once, that had been used (%s)":                                                                                "%s が、使用済みのメッセージ、または一度しか使えないシーケンスを再び送りました（%s）",
	"It opened nothing and closed nothing. A single copy is the network's doing. If it goes on, someone near that address has recorded it: look at the network there.": "それで開いたものも、閉じたものもありません。1 回だけなら、ネットワークがパケットを複製しただけです。続くなら、そのアドレスの近くで記録した者がいます。そのネットワークを調べてください。",

	"messages of several clients have come again from other addresses: someone on the way reads and sends them": "複数のクライアントのメッセージが、別のアドレスから再び届きました。経路の途中で読み取り、送り直している者がいます",
	"a message of client %q came again from %s: someone on the way has read it and sent it":                     "クライアント %q のメッセージが %s から再び届きました。経路の途中で読み取り、送り直した者がいます",
	"What that message had opened was closed, and the key is not lost. Find out from which network that client knocked, and do not trust it. A client that binds its messages (require_bound demands it) has nothing to fear from copies: they open nothing and close nothing.": "そのメッセージで開いたものは閉じました。鍵は漏れていません。クライアントがどのネットワークからノックしたかを調べ、そのネットワークは信用しないでください。メッセージにアドレスを含めるクライアント（require_bound で必須にできます）なら、複製では何も開かず、何も閉じません。",

	"%s sends messages with a time that is not now: its clock is wrong, or the messages are old":                                                                   "%s のメッセージの時刻が現在と合っていません。時計がずれているか、古いメッセージです",
	`Set the clock of that device ("sallyport doctor" there shows how far it is off). If its clock is right, someone sends recorded messages, which open nothing.`: "その端末の時計を合わせてください（その端末で sallyport doctor を実行すると、ずれがわかります）。時計が合っているなら、記録したメッセージを送っている者がいます。それで開くものはありません。",

	"%s has the server's public key and tries to pass for that client, without its private key":                                                                                            "%s はサーバーの公開鍵を持ち、秘密鍵のないままそのクライアントになりすまそうとしています",
	"%s sends messages for this server that do not open: someone holds its public key, or spoils recorded messages":                                                                        "%s が、このサーバー宛ての復号できないメッセージを送っています。公開鍵を持つ者か、記録したメッセージを壊して送る者がいます",
	"%s has the server's public key and is none of the clients":                                                                                                                            "%s はサーバーの公開鍵を持っていますが、どのクライアントでもありません",
	"If you know who it is, add or renew that client (sallyport client add). If not, find out how the public key got there and rotate it (sallyport server-key rotate). It opens no door.": "相手に心当たりがあれば、そのクライアントを登録し直してください（sallyport client add）。なければ、公開鍵が渡った経緯を調べ、鍵を更新してください（sallyport server-key rotate）。これでドアが開くことはありません。",

	"%s has asked %s for a door that it may not open": "%s が、開くことを認められていないドアを求めました（%s）",
	"Ask the person. If the door is meant for that client, add it to its doors; if nobody there asked for it, the key is in other hands: remove it.": "本人に確認してください。認めてよいドアなら、そのクライアントの doors に加えます。心当たりがないなら鍵が他人の手にあります。クライアントを削除してください。",

	"%s has knocked %s from an address that it may not knock from":                                                        "%s が、認められていないアドレスからノックしました（%s）",
	"Ask the person. If the place is right, add it to from of that client; if not, the key is in other hands: remove it.": "本人に確認してください。正しい場所なら、そのクライアントの from に加えます。心当たりがないなら鍵が他人の手にあります。クライアントを削除してください。",

	"%s has opened doors from two networks shortly after each other: it has moved, or someone else has its key":                                                          "%s が、短い間に二つのネットワークからドアを開きました。移動したか、他人が同じ鍵を持っています",
	"%s opens doors from two networks in turns: two devices have the same key":                                                                                           "%s が、二つのネットワークから交互にドアを開いています。2 台の端末が同じ鍵を持っています",
	"Ask the person whether both are theirs. If not, the key was stolen: remove it (sallyport client remove), which ends its grants. Give each device a key of its own.": "どちらも本人のものか確認してください。違うなら鍵が盗まれています。クライアントを削除すると（sallyport client remove）、許可も終わります。鍵は端末ごとに分けてください。",

	"%s has opened a door from a country that it has never come from":                                                    "%s が、これまで来たことのない国からドアを開きました",
	"Ask the person whether they travel, or use a VPN. If not, the key was stolen: remove it (sallyport client remove).": "出張中か、VPN を使っているかを本人に確認してください。違うなら鍵が盗まれています。クライアントを削除してください（sallyport client remove）。",

	"%s has opened door %q %s without using it": "%s がドア %q を %s開きましたが、使っていません",
	"The person may not get through for another reason (service down, another firewall, wrong address). If something knocks by itself, let it knock only when it needs to.": "サービスの停止、別のファイアウォール、アドレスの誤りなど、ほかの理由で届いていないのかもしれません。自動でノックするものがあるなら、必要なときだけノックさせてください。",

	"%s has opened a door and then failed to log in %s": "%s がドアを開いた後、ログインに失敗しました（%s）",
	"The person knows how to knock and not how to log in: ask the person behind that knock. If it was not them, change the sequence or remove the client (sallyport why SOURCE shows which).": "ノックの方法は知っていて、ログインはできない者です。そのノックの本人に確認してください。本人でなければ、シーケンスを変更するか、クライアントを削除してください（どれかは sallyport why 送信元 でわかります）。",

	"the rotating secret of %s is older than rotation_due":                                                      "%s のローテーション用の秘密が、rotation_due の期限を過ぎています",
	"more secrets are older than rotation_due":                                                                  "ほかにも、rotation_due の期限を過ぎた秘密があります",
	"the sequence of door %q is older than rotation_due":                                                        "ドア %q のシーケンスが、rotation_due の期限を過ぎています",
	`Change it: "sallyport door rotate" or "sallyport client rotate"; the old one goes on working for a while.`: "sallyport door rotate または sallyport client rotate で更新してください。古いものも、しばらくは使えます。",

	"on this host a door is open to everybody, or part of what it seems to guard: an address that is translated, a port that leads around it, an interface that is not there": "このホストで、ドアの全部または一部が誰にでも開いています。アドレスの変換、ドアを迂回するポート、存在しないインターフェースなどが原因です",
	`"sallyport check" says where, and what to do.`: "sallyport check が、場所と対処を示します。",

	"hostile packets come faster than detect.flood allows (%d so far): someone tries to overload this host":                                                                                                            "悪意のあるパケットが detect.flood の限度を超える速さで届いています（これまでに %d 個）。このホストに過大な負荷をかけようとしています",
	"Knocks of people still get through. Ask your provider to filter if the line is full; the addresses are most likely forged, so do not block them.":                                                                 "正規のノックは引き続き届きます。回線が埋まっているなら、プロバイダーにフィルタリングを依頼してください。アドレスはほぼ確実に偽装されているので、遮断しないでください。",
	"What that message had opened was closed; the next message opens it again. If the device has not been under way, do not trust the network that it knocked from.":                                                   "そのメッセージで開いたものは閉じました。次のメッセージでまた開きます。端末が移動中でなかったのなら、ノックしたネットワークを信用しないでください。",
	"someone at %s has the invite for client %q, which was used before":                                                                                                                                                "%s の誰かが、使用済みのクライアント %q の招待を持っています",
	"It enrolled nobody this time. If the device that is enrolled is not the one that the invite was made for, someone else was faster: remove the client (sallyport client remove NAME --cut) and make a new invite.": "今回は何も登録されていません。登録済みの端末が招待した相手のものでなければ、他人に先を越されています。そのクライアントを削除し（sallyport client remove 名前 --cut）、招待を作り直してください。",
	"a message of client %q came again from %s within seconds: the device has changed networks, or someone on the way has a copy":                                                                                      "クライアント %q のメッセージが、数秒のうちに %s から再び届きました。端末がネットワークを切り替えたか、経路の途中に写しを持つ者がいます",
	"messages of several clients have come again from other addresses within seconds: devices change networks, or someone on the way has copies":                                                                       "複数のクライアントのメッセージが、数秒のうちに別のアドレスから再び届きました。端末がネットワークを切り替えたか、経路の途中に写しを持つ者がいます",
}
