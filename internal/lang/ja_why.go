package lang

// jaWhy has the words of the commands why and findings.
var jaWhy = map[string]string{
	"Client %s.": "クライアント %s",
	"The daemon does not answer, so what is open now is not known.": "デーモンが応答しないため、いま何が開いているかはわかりません。",
	"Now: no door is open for %s.":                                  "現在: %s に開いているドアはありません。",
	"Now: door %s is open for %s, %s more.":                         "現在: ドア %s が %s に開いています（残り %s）。",
	"Nothing from %s since %s.":                                     "%s からの記録は、%s 以降ありません。",
	"Since %s, the latest at the end:":                              "%s 以降の記録（新しいものほど下）:",
	"Every knock was granted (%s).":                                 "ノックはすべて許可されました（%s）。",
	"1 time":                                                        "1 回",
	"%s, %s, the last time at %s:":                                  "%s、%s、最後は %s:",
	"Refused":                                                       "拒否",
	"Revoked":                                                       "取り消し",
	"Banned":                                                        "締め出し",
	"Failed":                                                        "失敗",
	"What is refused again for the same reason is added once a minute.": "同じ理由の拒否は、1 分ごとにまとめて加わります。",
	"no address":                      "アドレスなし",
	"a door":                          "ドア",
	"for %s":                          "%s",
	"%s of client %s":                 "%s（クライアント %s）",
	"for %s of client %s":             "%s（クライアント %s）",
	"opened %s %s%s":                  "%[2]s に %[1]s を開きました%[3]s",
	"refused (%s) %s at %s%s":         "%[2]s の%[3]sへのノックを拒否しました（%[1]s）%[4]s",
	"refused (%s) %s%s":               "%[2]s を拒否しました（%[1]s）%[3]s",
	"closed %s %s, its time was over": "%[2]s への %[1]s の許可が、時間どおりに終わりました",
	"closed %s %s (%s)%s":             "%[2]s への %[1]s を閉じました（%[3]s）%[4]s",

	`No connection is known that used these grants. Either another firewall drops it, here (fail2ban, a trap
for scanners, rules of your own: sallyport check names those that it finds) or on the way; or it comes
from another address than the knock (behind a carrier's NAT, or with IPv6 where the knock was IPv4):
sallyport doctor PROFILE on the client shows the address. Or nothing tried to connect.`: `これらの許可を使った接続は見つかっていません。別のファイアウォールが、このホスト（fail2ban、スキャン対策、
独自のルールなど。見つかったものは sallyport check が示します）か途中の経路で破棄しているか、接続がノックとは
別のアドレスから来ています（通信事業者の NAT の内側、IPv4 でノックして IPv6 で接続、など）。クライアントで
sallyport doctor プロファイル名 を実行すると、アドレスがわかります。あるいは、何も接続を試みていません。`,

	`A message from a client that cannot be opened bears no name, so it would not be here. Ask for
the address instead (sallyport why ADDRESS); sallyport doctor PROFILE on the client shows that.`: `復号できないメッセージには名前がないため、クライアントの名前では見つかりません。代わりにアドレスで調べて
ください（sallyport why アドレス）。アドレスは、クライアントで sallyport doctor プロファイル名 を実行するとわかります。`,

	`Either no packet arrived: another firewall or a provider in between drops it, it was sent to
an address that is not this server's (sallyport status counts those), or it left from another address than you think (behind NAT or a
VPN: ask from there for the public one). Or it was not the first knock of any sequence: that is
what every stray packet looks like, so it is not kept. To see packets as they arrive, run here:`: `パケットが届いていないのかもしれません。途中のファイアウォールかプロバイダーが破棄した、このサーバーのもので
ないアドレスに送られた（sallyport status が数えています）、思っているのとは別のアドレスから出ている（NAT や VPN
の内側なら、グローバルアドレスをそこで確かめてください）、などが考えられます。または、どのシーケンスの最初の
ノックでもなかったのかもしれません。その場合は、迷い込んだパケットと見分けがつかないので、記録されません。届くパケットを見るには、
このサーバーで次を実行します:`,
	"Nothing at door %s since %s.":                       "ドア %s についての記録は、%s 以降ありません。",
	"touched closed ports, as knocks and scans do, %s%s": "%[1]s が、ノックやスキャンのように閉じたポートに触れました%[2]s",
	"a connection by %s %s%s":                            "%[2]s が %[1]s を通って接続しました%[3]s",
	"Now: door %s is open for nobody.":                   "現在: ドア %s は誰にも開いていません。",
	`Nobody has knocked at this door, as far as the server could see. What stops before it, on the way
or at another firewall, is not seen here: ask for the address (sallyport why ADDRESS).`: "サーバーから見える限り、このドアへのノックはありません。途中の経路やほかのファイアウォールで止まったものは、\nここには現れません。アドレスを指定して調べてください（sallyport why アドレス）。",
}
