package lang

// jaObserve has what the report of observing says (sallyport observe report).
var jaObserve = map[string]string{
	"NOTHING IS CLOSED: observing protects nothing": "何も閉じていません。観察は何も守りません",
	".":                               "。",
	"Observed for %s, from %s to %s.": "観察時間は %s（%s から %s まで）。",
	"That is less than a week: who comes less often has not been seen.":        "1 週間に満たないため、それより間隔を空けて来る人は、まだ現れていません。",
	"The kernel dropped reports (%d times): some connections are not counted.": "カーネルが報告を %d 回取りこぼしたため、数えられていない接続があります。",
	"PORT":           "ポート",
	"NAME":           "名前",
	"CONNECTIONS":    "接続数",
	"SOURCES":        "送信元",
	"ADVICE":         "提案",
	"make it a door": "ドアにする",
	"nobody used it: stop the service, or make it a door":    "使った人はいない。サービスを止めるか、ドアにする",
	"many use it: leave it public, or find out who they are": "多くが使っている。公開のままにするか、誰が使っているかを調べる",
	"more than %d": "%d 超",
	"These would be shut out until they knock. Make a client for each that is known (sallyport client add);\nstrangers belong outside:": "次の送信元は、ノックするまで入れなくなります。知っている相手はクライアントに登録してください（sallyport client add）。\n知らない相手は、締め出されるのが正しい姿です:",
	"1 connection":                   "接続 1 件",
	"%d connections":                 "接続 %d 件",
	"and %d more (--json lists all)": "ほかに %d 件（--json ですべて表示）",
	"sallyport init --from-observed makes these doors.": "sallyport init --from-observed で、これらのドアを作れます。",
}
