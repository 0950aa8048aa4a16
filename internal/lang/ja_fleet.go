package lang

// jaFleet says what a gate of a fleet refuses, and why.
var jaFleet = map[string]string{
	"the fleet has revoked this client, or has removed it":                                                                             "フリートがこのクライアントを取り消したか、削除しました",
	"If that was not meant, an operator lets it in again: sallyport fleet status names the gate that revoked it.":                      "意図したものでなければ、オペレーターが取り消しを解除できます。取り消したゲートは sallyport fleet status でわかります。",
	"this gate does not know whether the fleet still lets the client in: etcd has been away for too long, or shows less than is known": "フリートがこのクライアントをまだ許可しているか、このゲートにはわかりません。etcd に長く接続できないか、etcd の内容が既知のものより古くなっています",
	"sallyport status says what is wrong with etcd. The gate's own clients and operators get in all the time.":                         "etcd の問題は sallyport status でわかります。このゲート自身のクライアントとオペレーターは、その間も入れます。",
	"the gate of a lab stands alone": "実験環境のゲートは単独で動きます",
}
