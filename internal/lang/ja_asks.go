package lang

// jaAsks has what is said to people who ask an operator to be let in.
var jaAsks = map[string]string{
	"Ask to be let in": "接続の許可を依頼する",
	"Have someone who can let you in at hand, such as on the telephone. You get six letters to say to them.": "許可を出せる人と、電話などで話せる状態にしてください。その人に伝える六文字が表示されます。",
	"You would be let in from this address: %s":                                                              "許可されるのは次のアドレスからの接続です: %s",
	"Who are you? (optional)": "お名前（任意）",
	"Ask":                     "依頼する",
	"Say these letters":       "この文字を伝えてください",
	"Say them to the person who can let you in, and to nobody else.": "許可を出せる人にだけ伝えてください。",
	"They are good until %s.":                                 "%s まで有効です。",
	"This page looks by itself whether you have been let in.": "許可されたかどうかは、このページが自動的に確認します。",
	"You are let in":                                          "許可されました",
	"Connect now, from this device and network. The door is open until %s.": "この機器とネットワークから、今すぐ接続してください。ドアは %s まで開いています。",
	"You are not let in":               "許可されませんでした",
	"The operator has decided not to.": "管理者が許可しないと判断しました。",
	"This is over":                     "この依頼は終わりました",
	"Nobody decided in time, or the server was restarted.": "時間内に判断されなかったか、サーバーが再起動されました。",
	"Ask again":            "もう一度依頼する",
	"That is not possible": "受け付けられません",
	"Too many ask just now. Try again in a few minutes.":                                         "依頼が集中しています。数分後にもう一度お試しください。",
	"Someone asks from your network already. That ends after ten minutes at most; then you can.": "同じネットワークからの依頼がすでにあります。遅くとも 10 分で終わり、その後は依頼できます。",
	"This was asked for from another address than yours, which would be let in. If that was not you, say nothing to anybody. If it was, and your network has changed, ask again.": "この依頼は、いまご利用のものとは別のアドレスから行われました。許可されるのはそのアドレスです。心当たりがなければ、誰にも何も伝えないでください。ご自身の依頼でネットワークが変わった場合は、もう一度依頼してください。",
	"The server does not answer just now. Try again in a minute.": "サーバーが応答していません。1 分ほどしてからもう一度お試しください。",
}
